import { Type } from "typebox";

/** https://devcenter.heroku.com/articles/platform-api-reference#source */
export const Source = Type.Object({ source_blob: Type.Object({ get_url: Type.String(), put_url: Type.String() }) });
