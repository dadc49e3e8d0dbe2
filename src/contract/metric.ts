import { Type } from "typebox";

/** Heroku's metrics API: named rows of values, one for each step; null where nothing was measured. */
export const Metric = Type.Object({
  start_time: Type.String(),
  end_time: Type.String(),
  step: Type.String({ examples: ["1h0m0s"] }),
  data: Type.Record(Type.String(), Type.Array(Type.Unsafe<number | null>({ type: ["number", "null"] }))),
});

export const MetricQuery = Type.Object({
  start_time: Type.Optional(Type.String({ description: "ISO 8601; a day before end_time when left out." })),
  end_time: Type.Optional(Type.String({ description: "ISO 8601; now when left out." })),
  step: Type.Optional(
    Type.String({
      description: "1m, 10m, 1h, …: 1m is kept for a day, 10m for three days, 1h for thirty. Older times come in longer steps.",
    }),
  ),
  process_type: Type.Optional(Type.String({ description: "A process type." })),
  dyno: Type.Optional(Type.String({ description: "One dyno (web.1) instead of all of its type." })),
});
