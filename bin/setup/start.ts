import { writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { type Instance, instanceFile } from "../../src/cli/instance.ts";
import { type Messages, messagesFor } from "../../src/cli/messages.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { fileJournal, type Journal } from "../../src/kernel/journal.ts";
import { type Paths, pathsUnder } from "../../src/kernel/paths.ts";
import { type Boot, type RunningPlatform, SetupError } from "./boot.ts";
import { stopDataPlane } from "./data-plane.ts";
import { type HomeLock, runningPid, takeLock } from "./lock.ts";
import { prepare, prepareHome } from "./prepare.ts";
import { Progress } from "./progress.ts";
import { loadSettings } from "./settings.ts";
import { startScreen } from "./start-screen.ts";
import { packageVersion } from "./zarpa.ts";

const EXIT_WRONG_SETTINGS = 2;
const EXIT_FAULT = 70;
const SAME_PRESS_MS = 1000;
const JOURNAL_BYTES = 10 * 1024 * 1024;

/** Starts the platform and stays until a signal ends it: Ctrl-C ends everything, SIGTERM the control plane alone. */
export async function start(): Promise<void> {
  const messages = messagesFor(process.env);
  const settings = loadSettings(messages);
  if (settings === null) return process.exit(EXIT_WRONG_SETTINGS);
  const paths = pathsUnder(settings.home);
  const lock = enter(paths, messages);
  if (lock === null) return process.exit(1);
  // A terminal that is gone is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const journal = openJournal(paths);
  const progress = new Progress(process.stderr, systemClock, messages);
  const state: Running["state"] = { platform: null, isEnding: false };
  handleSignals({ state, lock, paths, messages, journal });
  try {
    const version = packageVersion();
    // The rooms are loaded while PostgreSQL starts.
    const [boot, { runPlatform }] = await Promise.all([
      prepare({ version, settings, paths, messages, progress, journal, clock: systemClock }),
      import("../platform.ts"),
    ]);
    const platform = await progress.step(messages.platform, async () => await runPlatform(boot));
    state.platform = platform;
    writeFileSync(instanceFile(paths.home), `${JSON.stringify(describeInstance(boot), null, 2)}\n`, { mode: 0o644 });
    const seconds = process.uptime();
    // Written now, not at the end: a control plane that is killed must not cost the next start a second.
    flushCompileCache();
    journal.note("ready", { seconds, driver: boot.driver.name });
    process.stdout.write(
      startScreen({ boot, messages, seconds, adminCreated: platform.adminCreated, isTerminal: process.stdout.isTTY }),
    );
  } catch (error) {
    // Ctrl-C reaches our children too: what they die of is no failure.
    if (state.isEnding) return;
    journal.fault("the start failed", error);
    process.stderr.write(`${messages.failed(error instanceof SetupError ? error.message : messageOf(error))}\n`);
    lock.release();
    process.exit(1);
  }
}

/** The lock of the home; null, with the reason said, when it cannot be had. */
function enter(paths: Paths, messages: Messages): HomeLock | null {
  try {
    prepareHome(paths);
    const lock = takeLock(paths);
    if (lock === null) process.stderr.write(`${messages.alreadyRunning(String(runningPid(paths) ?? "?"))}\n`);
    return lock;
  } catch (error) {
    process.stderr.write(`${messages.homeNotWritable(paths.home, messageOf(error))}\n`);
    return null;
  }
}

interface Running {
  state: { platform: RunningPlatform | null; isEnding: boolean };
  lock: HomeLock;
  paths: Paths;
  messages: Messages;
  journal: Journal;
}

function handleSignals(running: Running): void {
  const { state, lock, paths, messages, journal } = running;
  let firstAt = 0;
  const end = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (state.isEnding) {
      // Whoever presses Ctrl-C once more does not want to wait for the dynos; but one press comes twice, from the terminal and from npm.
      if (now - firstAt > SAME_PRESS_MS) process.exit(1);
      return;
    }
    firstAt = now;
    state.isEnding = true;
    journal.note("ending", { signal });
    const everything = signal === "SIGINT";
    if (everything) process.stderr.write(`\n${messages.stopping}\n`);
    const work = async (): Promise<void> => {
      await state.platform?.stop();
      if (everything) await stopDataPlane({ paths, messages, journal, clock: systemClock, onStopped: sayStopped(messages) });
      else process.stderr.write(`${messages.controlPlaneStopped}\n`);
    };
    work()
      .then(() => 0)
      .catch((error: unknown) => {
        journal.fault("the end failed", error);
        process.stderr.write(`${messageOf(error)}\n`);
        return 1;
      })
      .then((code) => {
        lock.release();
        process.exit(code);
      })
      .catch(() => process.exit(1));
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  process.on("unhandledRejection", (cause) => journal.fault("unhandled rejection", cause));
  process.on("uncaughtException", (error) => {
    // Its state cannot be trusted any more; the data plane goes on, and the next start takes over.
    journal.fault("uncaught exception", error);
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(EXIT_FAULT);
  });
}

function sayStopped(messages: Messages): (what: string) => void {
  return (what) => process.stderr.write(`${messages.stopped(what)}\n`);
}

/** The platform's own journal: `$ZARPA_HOME/platform.log`, and one older file of at most 10 MB. */
function openJournal(paths: Paths): Journal {
  return fileJournal(join(paths.home, "platform.log"), JOURNAL_BYTES, () => systemClock.now());
}

function describeInstance(boot: Boot): Instance {
  const { settings, authority, driver, version, paths } = boot;
  return {
    version,
    home: paths.home,
    port: settings.port,
    tls_port: settings.tlsPort,
    domain: settings.domain,
    bundle: authority.bundleFile,
    driver: driver.name,
    database: settings.databaseUrl === null ? "private" : "external",
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
