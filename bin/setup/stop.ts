import { existsSync } from "node:fs";
import { messagesFor } from "../../src/cli/messages.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { streamJournal } from "../../src/kernel/journal.ts";
import { pathsUnder } from "../../src/kernel/paths.ts";
import { stopDataPlane } from "./data-plane.ts";
import { runningPid } from "./lock.ts";
import { loadSettings } from "./settings.ts";

const EXIT_WRONG_SETTINGS = 2;
/** The control plane ends at once; only answers under way are waited for. */
const CONTROL_PLANE_SECONDS = 20;
const POLL_MS = 50;

/** Stops everything of this home, whether the control plane runs or not, and says what it stopped. */
export async function stop(): Promise<void> {
  const messages = messagesFor(process.env);
  const settings = loadSettings(messages);
  if (settings === null) return process.exit(EXIT_WRONG_SETTINGS);
  const paths = pathsUnder(settings.home);
  const stopped: string[] = [];
  const onStopped = (what: string): void => {
    stopped.push(what);
    process.stdout.write(`${messages.stopped(what)}\n`);
  };
  if (existsSync(paths.run)) {
    const pid = runningPid(paths);
    if (pid !== null) {
      process.kill(pid, "SIGTERM");
      await untilGone(() => runningPid(paths) === null, pid);
      onStopped(messages.parts.controlPlane);
    }
    const journal = streamJournal({ write: () => {} }, () => systemClock.now());
    await stopDataPlane({ paths, messages, journal, clock: systemClock, onStopped });
  }
  if (stopped.length === 0) process.stdout.write(`${messages.nothingRan}\n`);
}

async function untilGone(isGone: () => boolean, pid: number): Promise<void> {
  for (let waited = 0; waited < CONTROL_PLANE_SECONDS * 1000; waited += POLL_MS) {
    if (isGone()) return;
    await systemClock.sleep(POLL_MS);
  }
  process.kill(pid, "SIGKILL");
}
