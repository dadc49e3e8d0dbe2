import { Type } from "typebox";

/** https://devcenter.heroku.com/articles/platform-api-reference#config-vars */
export const ConfigVars = Type.Record(Type.String(), Type.String());

/** Null removes a config var. */
export const ConfigVarsUpdate = Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]));
