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
