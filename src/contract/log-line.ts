import { Type } from "typebox";

/** A line of an app's stored log: Zarpa's own resource. */
export const LogLine = Type.Object({
  id: Type.Integer({ description: "Grows within an app." }),
  created_at: Type.String({ description: "RFC 3339 with microseconds, UTC." }),
  source: Type.String({ description: "app or heroku" }),
  dyno: Type.String({ description: "web.1, router, api, …" }),
  message: Type.String(),
});

export const LogLineQuery = Type.Object({
  from: Type.Optional(Type.String({ description: "ISO 8601: no older lines." })),
  to: Type.Optional(Type.String({ description: "ISO 8601: only lines before that time." })),
  source: Type.Optional(Type.String({ description: "app or heroku" })),
  dyno: Type.Optional(Type.String({ description: "A dyno's name (web.1), a process type (web), router, api, …" })),
  query: Type.Optional(Type.String({ maxLength: 1000, description: "Text that the message holds, in whatever case." })),
  before: Type.Optional(Type.String({ pattern: "^\\d{1,15}$", description: "Only lines with a smaller id: the page before." })),
  limit: Type.Optional(
    Type.String({ pattern: "^\\d{1,5}$", description: "The newest so many that match: 100, at most 10,000." }),
  ),
});
