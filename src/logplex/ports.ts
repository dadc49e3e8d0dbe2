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

/** What is looked for in an app's stored log. */
export interface LogSearch {
  filter: LogFilter;
  /** From this time on, and before that one. */
  from: Date | null;
  to: Date | null;
  /** Text that the message holds, in whatever case. */
  query: string | null;
  /** Only lines with smaller ids: what a former search has not shown. */
  beforeId: number | null;
  /** The newest so many. */
  limit: number;
}

/** A line that was found. */
export interface FoundLine {
  id: number;
  /** As `heroku logs` prints it. */
  text: string;
  /** RFC 3339 with microseconds, UTC. */
  stamp: string;
  source: string;
  process: string;
  message: string;
}

/** A log drain of an app: https://devcenter.heroku.com/articles/log-drains */
export interface DrainRecord {
  id: string;
  app_id: string;
  /** `d.<uuid>`. */
  token: string;
  url: string;
}

/** The drains there are; `platform/` implements it over its rows. */
export interface DrainStore {
  /** Of one app, or all. */
  drains(appId: string | null): Promise<DrainRecord[]>;
}

/** How it goes with one drain, since the control plane's start. */
export interface DrainStatus {
  state: "ok" | "retrying";
  lastError: string | null;
  /** Lines. */
  delivered: number;
  dropped: number;
}
