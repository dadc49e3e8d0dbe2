/** One line of an app's log. `source` is `app` or `heroku`; `process` is `web.1`, `api`, `router`, … */
export interface LogLine {
  /** When it happened. */
  at: Date;
  source: "app" | "heroku";
  process: string;
  /** Without newline; longer than 10,000 bytes is split by the intake, as Heroku does. */
  message: string;
}

/** What a log session shows. */
export interface LogFilter {
  source: string | null;
  /** Process name (`web.1`) or type (`web`). */
  process: string | null;
}
