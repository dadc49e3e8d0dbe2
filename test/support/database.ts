import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Kysely } from "kysely";
import pg from "pg";
import { systemClock } from "../../src/kernel/clock.ts";
import { startCluster } from "../../src/kernel/cluster.ts";
import { migrate } from "../../src/kernel/database.ts";
import { newId } from "../../src/kernel/ids.ts";
import { migrateJobs } from "../../src/kernel/jobs.ts";
import { connect } from "../../src/platform/database/connect.ts";
import { migrations } from "../../src/platform/database/migrations.ts";
import type { Tables } from "../../src/platform/database/tables.ts";

/** A database of a test's own, schema and job queue included: `await using database = await testDatabase()`. */
export interface TestDatabase extends AsyncDisposable {
  url: string;
  db: Kysely<Tables>;
}

const TEMPLATE = "template";
const MAX_CONNECTIONS = 150;
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/** Clones the template database of this test run; all files of one `node --test` share one throw-away cluster. */
export async function testDatabase(): Promise<TestDatabase> {
  const template = await templateUrl();
  const name = `test_${newId().replaceAll("-", "")}`;
  const maintenance = template.replace(`/${TEMPLATE}?`, "/postgres?");
  await query(maintenance, `create database ${name} template ${TEMPLATE}`);
  const url = template.replace(`/${TEMPLATE}?`, `/${name}?`);
  const db = connect(url);
  return {
    url,
    db,
    [Symbol.asyncDispose]: async () => {
      await db.destroy();
      // Waits five seconds for connections that are just closing; what a failed test left open is cut off.
      await query(maintenance, `drop database ${name}`).catch(
        async () => await query(maintenance, `drop database ${name} with (force)`),
      );
    },
  };
}

/** Address of the migrated template; the first file of a run to ask makes the cluster, the others wait for it. */
async function templateUrl(): Promise<string> {
  // Under `node --test` each file is a child of the runner, whose end is the end of the run.
  const run = process.env["NODE_TEST_CONTEXT"] === undefined ? process.pid : process.ppid;
  const folder = join(tmpdir(), `zarpa-test-${run}-${startTime(run)}`);
  const ready = join(folder, "url");
  if (claim(folder)) await makeTemplate(folder, ready, run);
  for (let waited = 0; !existsSync(ready); waited += POLL_MS) {
    if (waited > READY_TIMEOUT_MS) throw new Error(`no test database appeared in ${folder}: see the first failure of this run`);
    await systemClock.sleep(POLL_MS);
  }
  return readFileSync(ready, "utf8");
}

function claim(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o711 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function makeTemplate(folder: string, ready: string, run: number): Promise<void> {
  const cluster = await startCluster({
    data: join(folder, "data"),
    socketFolder: join(folder, "socket"),
    database: TEMPLATE,
    durable: false,
    maxConnections: MAX_CONNECTIONS,
  });
  const sweep = join(import.meta.dirname, "sweep.sh");
  spawn("/bin/sh", [sweep, String(run), String(cluster.pid), folder], { detached: true, stdio: "ignore" }).unref();
  const db = connect(cluster.url);
  await migrate(db, migrations);
  await db.destroy();
  await migrateJobs(cluster.url);
  writeFileSync(`${ready}.half`, cluster.url);
  renameSync(`${ready}.half`, ready);
}

/** Clock ticks since boot at which the process started: with its id, unique. */
function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
