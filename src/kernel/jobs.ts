import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker";
import { sql } from "kysely";
import pg from "pg";
import { systemClock } from "./clock.ts";
import type { Queryable } from "./database.ts";
import type { Journal } from "./journal.ts";

/** What a job is given: small and of JSON; everything else is read from the database when it runs. */
export type JobPayload = Record<string, string | number | boolean | null>;

export interface JobOptions {
  /** Jobs of one named queue run one after another, in the order they were added. */
  queue?: string;
  /** Tries in all, with growing pauses between them; 25 when left out. 1: never again, whatever interrupts it. */
  maxAttempts?: number;
  /** A waiting job with this key is replaced. */
  jobKey?: string;
  /** Not before this time; left out: at once. */
  runAt?: Date;
}

export type JobHandler = (payload: JobPayload, run: { signal: AbortSignal; attempt: number }) => Promise<void>;

export interface JobsOptions {
  connectionString: string;
  /** Job name → what does it. A handler that throws is tried again later; its fault is journalled. */
  handlers: Record<string, JobHandler>;
  /** Most jobs at once. */
  concurrency: number;
  journal: Journal;
}

export interface Jobs {
  /** Takes no further job, aborts the signal of running ones after half a second and waits for their handlers to end. */
  stop(): Promise<void>;
}

/** New jobs wake the workers by a notification; this is for jobs whose next try has come. */
const POLL_INTERVAL_MS = 2_000;
const ABORT_AFTER_MS = 500;
const RESTART_PAUSE_MS = 1_000;
/** One listens, the others fetch and end jobs. */
const MAX_CONNECTIONS = 3;
const SCHEMA = "graphile_worker";

/** Creates or updates the tables of the job queue (graphile-worker's own schema in the same database). */
export async function migrateJobs(connectionString: string): Promise<void> {
  await runMigrations({ connectionString, schema: SCHEMA, logger: silentLogger() });
}

/**
 * Adds a job in the caller's transaction: it exists exactly when the rows it is about do. It starts within milliseconds after the
 * commit.
 */
export async function addJob<Tables>(
  trx: Queryable<Tables>,
  name: string,
  payload: JobPayload,
  options: JobOptions = {},
): Promise<void> {
  await sql`select graphile_worker.add_job(
    identifier => ${name}::text, payload => ${JSON.stringify(payload)}::json, queue_name => ${options.queue ?? null}::text,
    run_at => ${options.runAt ?? null}::timestamptz,
    max_attempts => ${options.maxAttempts ?? null}::int, job_key => ${options.jobKey ?? null}::text)`.execute(trx);
}

/** Keys of the jobs that will run once the workers are started; not of those that a dead control plane tried for the last time. */
export async function waitingJobKeys<Tables>(db: Queryable<Tables>): Promise<Set<string>> {
  const { rows } = await sql<{ key: string }>`
    select key from graphile_worker.jobs where key is not null and attempts < max_attempts`.execute(db);
  return new Set(rows.map((row) => row.key));
}

/**
 * Starts the workers. There is one control plane, so whatever is locked now was locked by one that died: those jobs are released and,
 * when they have tries left, run again at once (graphile-worker by itself would wait four hours). Workers that give up because the
 * database was away for long are started again.
 */
export async function startJobs(options: JobsOptions): Promise<Jobs> {
  const { journal } = options;
  const pool = new pg.Pool({ connectionString: options.connectionString, max: MAX_CONNECTIONS });
  // A connection that breaks, at whatever moment, is the next query's affair and must not end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener("abort", () => resolve()));
  let workers = await startWorkers(options, pool);
  const supervise = async (): Promise<void> => {
    for (;;) {
      await Promise.race([workers.ended, stopped]);
      if (stopping.signal.aborted) return;
      journal.note("the job workers have ended and are started again");
      workers = await startAgain(options, pool, stopping.signal);
    }
  };
  const supervision = supervise().catch((error: unknown) => {
    if (!stopping.signal.aborted) journal.fault("the job workers are not started again", error);
  });
  return {
    stop: async () => {
      stopping.abort();
      await workers.stop();
      await supervision;
      await pool.end();
    },
  };
}

interface Workers {
  /** Resolves when they take no further job, by their own decision or because `stop` was called. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

async function startAgain(options: JobsOptions, pool: pg.Pool, signal: AbortSignal): Promise<Workers> {
  for (;;) {
    await systemClock.sleep(RESTART_PAUSE_MS, signal);
    try {
      return await startWorkers(options, pool);
    } catch (error) {
      options.journal.fault("the job workers cannot be started yet", error);
    }
  }
}

async function startWorkers({ handlers, concurrency, journal }: JobsOptions, pool: pg.Pool): Promise<Workers> {
  const logger = journalLogger(journal);
  await releaseDeadWorkers(pool, logger);
  const runner = await run({
    pgPool: pool,
    schema: SCHEMA,
    logger,
    noHandleSignals: true,
    concurrency,
    pollInterval: POLL_INTERVAL_MS,
    preset: { worker: { gracefulShutdownAbortTimeout: ABORT_AFTER_MS } },
    parsedCronItems: [],
    taskList: Object.fromEntries(
      Object.entries(handlers).map(([name, handle]) => [
        name,
        async (payload, helpers) =>
          await handle(payload as JobPayload, { signal: helpers.abortSignal, attempt: helpers.job.attempts }),
      ]),
    ),
  });
  let stop: Promise<void> | null = null;
  const stopOnce = async (): Promise<void> => {
    stop ??= runner.stop().catch((error: unknown) => journal.fault("a job did not end as it should", error));
    await stop;
  };
  // graphile-worker remembers a failure of its very first look for a job for ever: such workers would never run any.
  let hasLooked = false;
  const looked = (): void => {
    hasLooked = true;
  };
  runner.events.once("worker:getJob:empty", looked);
  runner.events.once("job:start", looked);
  const poisoned = new Promise<void>((resolve) => {
    runner.events.on("worker:getJob:error", () => {
      if (!hasLooked) void stopOnce().then(resolve);
    });
  });
  const given = runner.promise.catch((error: unknown) => {
    if (stop === null) journal.fault("the job workers have ended", error);
  });
  return { ended: Promise.race([given, poisoned]), stop: stopOnce };
}

async function releaseDeadWorkers(pool: pg.Pool, logger: Logger): Promise<void> {
  await pool.query(`select ${SCHEMA}.force_unlock_workers(array(
    select distinct locked_by from ${SCHEMA}.jobs where locked_by is not null))`);
  const utils = await makeWorkerUtils({ pgPool: pool, schema: SCHEMA, logger });
  try {
    await utils.cleanup({ tasks: ["DELETE_PERMAFAILED_JOBS", "GC_JOB_QUEUES"] });
  } finally {
    await utils.release();
  }
}

function silentLogger(): Logger {
  return new Logger(() => () => {});
}

/** graphile-worker tells of every step; only its warnings and errors are notable. */
function journalLogger(journal: Journal): Logger {
  return new Logger((scope) => (level, message, meta) => {
    if (level === "error") journal.fault("job", meta?.["error"] ?? message, { task: scope.taskIdentifier, message });
    if (level === "warning") journal.note("job", { message });
  });
}
