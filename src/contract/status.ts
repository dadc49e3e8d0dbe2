import { Type } from "typebox";

/** https://devcenter.heroku.com/articles/heroku-status#heroku-status-api-v4 */
export const Status = Type.Object({
  status: Type.Array(Type.Object({ system: Type.String(), status: Type.String() })),
  incidents: Type.Array(Type.Object({})),
  scheduled: Type.Array(Type.Object({})),
});
