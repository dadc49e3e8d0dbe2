import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { testDatabase } from "../../test/support/database.ts";
import { addJob, startJobs, type JobHandler } from "./jobs.ts";
import type { Journal } from "./journal.ts";

const quiet: Journal = { note: () => {}, fault: () => {} };

test("a job runs when its transaction commits, never when it is rolled back, and a queue keeps the order", async () => {
  await using database = await testDatabase();
  const seen: string[] = [];
  const done = Promise.withResolvers<void>();
  const record: JobHandler = async (payload) => {
    seen.push(String(payload["id"]));
    if (payload["id"] === "third") done.resolve();
  };
  const jobs = await startJobs({ connectionString: database.url, handlers: { record }, concurrency: 3, journal: quiet });
  await assert.rejects(
    database.db.transaction().execute(async (trx) => {
      await addJob(trx, "record", { id: "never" });
      throw new Error("rolled back");
    }),
  );
  for (const id of ["first", "second", "third"]) await addJob(database.db, "record", { id }, { queue: "one" });
  await done.promise;
  await jobs.stop();
  assert.deepEqual(seen, ["first", "second", "third"]);
});

test("what a dead control plane was doing is tried again at once, but a job with one try is not", async () => {
  await using database = await testDatabase();
  await addJob(database.db, "again", { id: "again" }, { queue: "q" });
  await addJob(database.db, "once", { id: "once" }, { maxAttempts: 1 });
  // What `kill -9` leaves: both jobs and the queue locked, with one try used.
  await sql`update graphile_worker._private_jobs set locked_by = 'dead', locked_at = now(), attempts = 1`.execute(database.db);
  await sql`update graphile_worker._private_job_queues set locked_by = 'dead', locked_at = now()`.execute(database.db);
  const seen: string[] = [];
  const done = Promise.withResolvers<void>();
  const jobs = await startJobs({
    connectionString: database.url,
    concurrency: 2,
    journal: quiet,
    handlers: {
      again: async (_, run) => {
        seen.push(`again, attempt ${run.attempt}`);
        done.resolve();
      },
      once: async () => {
        seen.push("once");
      },
    },
  });
  await done.promise;
  await jobs.stop();
  assert.deepEqual(seen, ["again, attempt 2"]);
});

test("broken connections end neither the process nor the work", async () => {
  await using database = await testDatabase();
  const runs: string[] = [];
  const done = Promise.withResolvers<void>();
  const record: JobHandler = async (payload) => {
    runs.push(String(payload["id"]));
    if (payload["id"] === "after") done.resolve();
  };
  const jobs = await startJobs({ connectionString: database.url, handlers: { record }, concurrency: 1, journal: quiet });
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(database.db);
  await addJob(database.db, "record", { id: "after" });
  await done.promise;
  await jobs.stop();
  assert.deepEqual(runs, ["after"]);
});
