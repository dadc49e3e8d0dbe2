import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/kernel/clock.ts";
import { newId } from "../src/kernel/ids.ts";
import { streamJournal } from "../src/kernel/journal.ts";
import { createOciDriver, type OciDriver } from "../src/runtime/oci/driver.ts";
import { PortProbe } from "../src/runtime/port-probe.ts";
import type { DynoSpec } from "../src/runtime/ports.ts";
import type { Report } from "./figure.ts";
import { end, type HandRoot } from "./hand-root.ts";
import { alternate, median, spread, until } from "./measure.ts";
import { openHandRoot, type WorkPlace } from "./work-place.ts";

const ROUNDS = 15;
const PORT = 22_000;
const UID = 299_999;
const FLASK = join(import.meta.dirname, "..", "test", "apps", "flask");
const MOST_MILLISECONDS_MORE = 150;
const PROBE_MS = 1;
const MEMORY_BYTES = 512 * 1024 * 1024;
const DISK_BYTES = 4 * 1024 ** 3;

/** A web dyno (Flask and gunicorn) from the driver's call to the bound port, beside the same program as a plain process of the same root. */
export async function benchDynoStart(place: WorkPlace): Promise<Report> {
  await using closing = new AsyncDisposableStack();
  const root = await openHandRoot(place);
  closing.defer(async () => await root.close());
  await cp(FLASK, root.app, { recursive: true });
  await root.install();
  const dynosFolder = await mkdtemp(join(tmpdir(), "zarpa-bench-dynos-"));
  closing.defer(async () => await rm(dynosFolder, { recursive: true, force: true }));
  const { stack, certificates: caBundle } = place;
  const journal = streamJournal(process.stderr, () => systemClock.now());
  const driver = await createOciDriver({ dynosFolder, caBundle, journal, clock: systemClock, stackRoot: () => stack });
  closing.defer(async () => await driver.stopAll());
  const started: number[] = [];
  const found = await alternate(
    ROUNDS,
    async () => {
      const { returned, bound } = await startDyno(driver, root, dynosFolder);
      started.push(returned);
      return bound;
    },
    async (round) => await startPlain(root, PORT + round),
  );
  return {
    figures: [
      {
        name: "dyno start, until its port is bound",
        ours: median(found.ours),
        peer: { what: "plain process", value: median(found.peer) },
        unit: "ms",
        compared: "difference",
        bound: "at most",
        limit: MOST_MILLISECONDS_MORE,
      },
    ],
    notes: [
      `dyno start, fastest / median / slowest of ${ROUNDS}: ${spread(found.ours)} ms; plain process ${spread(found.peer)} ms`,
      `dyno start, until the program is started in its container: ${spread(started.slice(1))} ms`,
    ],
  };
}

async function startDyno(driver: OciDriver, root: HandRoot, dynosFolder: string): Promise<{ returned: number; bound: number }> {
  const dynoId = newId();
  const spec: DynoSpec = {
    dynoId,
    app: { id: newId(), name: "bench", uid: UID },
    name: "web.1",
    slugRoot: root.slugRoot,
    stack: "heroku-24",
    command: "gunicorn main:app",
    env: { PATH: "/app/.heroku/python/bin:/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8" },
    port: PORT,
    size: { memoryBytes: MEMORY_BYTES, cpuShare: 1, maxProcesses: 256, diskBytes: DISK_BYTES },
    logPath: join(dynosFolder, "output", `${dynoId}.log`),
  };
  const from = performance.now();
  const dyno = await driver.start(spec);
  const returned = performance.now() - from;
  await until(async () => await driver.isListening(dyno, PORT), "the dyno's port", PROBE_MS);
  const bound = performance.now() - from;
  await driver.signal(dynoId, "SIGKILL");
  await driver.remove(dynoId);
  return { returned, bound };
}

async function startPlain(root: HandRoot, port: number): Promise<number> {
  const from = performance.now();
  const program = root.start(["gunicorn", "main:app"], { PORT: String(port) }, "alone");
  const { pid = 0 } = program;
  const probe = new PortProbe();
  await until(async () => await probe.isListening(pid, port, []), "the plain process's port", PROBE_MS);
  const bound = performance.now() - from;
  await end(program);
  return bound;
}
