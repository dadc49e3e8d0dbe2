import {
  type BuildCommand,
  type BuildEnding,
  type BuildHelper,
  type BuildPlace,
  type BuildSandbox,
  type BuildStandby,
  BUILD_PROCESSES,
  startHelper,
  superviseBuild,
} from "../sandbox.ts";
import { destroyContainer, prepareContainer } from "./container.ts";
import { enterArgv, HELPER_ENV, type Machine } from "./machine.ts";

const CLEARING_PAUSE_MILLISECONDS = 1000;

/** The container's own first words: what to become comes on its standard input, environment before argv, each ended by a zero byte. */
const AWAIT_COMMAND = 'mapfile -d "" -t words && exec /usr/bin/env --ignore-environment -- "${words[@]}" </dev/null 2>&1';

/**
 * Builds run in a container of the same kind as dynos, which ends with the command: when its first process has ended, the kernel has
 * ended all others, and nobody writes to the build's folders any more. What is left of it then goes while the build goes on.
 */
export function createSandbox(machine: Machine): BuildSandbox {
  return {
    isolated: true,
    run: async (command) => await (await stand(machine, command)).run(command),
    stand: async (place) => await stand(machine, place),
  };
}

/** A container takes longer to be made than a small app to be built: it may be begun before there is anything to build. */
async function stand(machine: Machine, place: BuildPlace): Promise<BuildStandby> {
  const id = `build-${place.id}`;
  const prepared = await prepareContainer(machine, {
    id,
    kind: "build",
    argv: ["/usr/bin/tini", "--", "/bin/bash", "-c", AWAIT_COMMAND],
    env: { PATH: "/usr/bin:/bin" },
    cwd: place.cwd,
    uid: place.uid,
    stack: place.stack,
    slugRoot: null,
    binds: place.mounts,
    limits: { memoryBytes: place.memoryBytes, cpuShare: 1, maxProcesses: BUILD_PROCESSES },
    memoryAndSwapBytes: place.memoryBytes,
    port: null,
    terminal: null,
  });
  // Kept after its end, because the count of processes killed for want of memory goes with it.
  const run = [...machine.runtime, "run", "--keep", "--bundle", prepared.bundle, "--pid-file", prepared.pidFile, id];
  const helper = startHelper(enterArgv(machine, prepared, run), { env: HELPER_ENV, stdin: "pipe" });
  return {
    run: async (command) => await runIn(machine, id, helper, command),
    drop: async () => {
      helper.child.kill("SIGKILL");
      await helper.ended.catch(() => {});
      await destroyContainer(machine, id);
    },
  };
}

async function runIn(
  machine: Machine,
  id: string,
  helper: BuildHelper,
  command: Parameters<BuildStandby["run"]>[0],
): Promise<BuildEnding> {
  try {
    helper.child.stdin?.end(wordsOf(command));
    const ending = await superviseBuild(helper, {
      command,
      clock: machine.options.clock,
      kill: async () => await machine.cgroups.kill(id),
    });
    const starved = ending.reason === "exit" && ending.exitCode !== 0 && (await machine.cgroups.memoryKills(id)) > 0;
    if (ending.reason === "exit") clearLater(machine, id);
    else await destroyContainer(machine, id);
    return starved ? { ...ending, reason: "memory" } : ending;
  } catch (error) {
    await destroyContainer(machine, id);
    throw error;
  }
}

function wordsOf({ argv, env }: Pick<BuildCommand, "argv" | "env">): string {
  const words = [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...argv];
  return words.map((word) => `${word}\0`).join("");
}

/** Not at once: programs would be started for it while the build's user waits for the end of the build. */
function clearLater(machine: Machine, id: string): void {
  const clearing = machine.options.clock
    .sleep(CLEARING_PAUSE_MILLISECONDS, machine.closing.signal)
    .catch(() => {})
    .then(async () => await destroyContainer(machine, id))
    .catch((error: unknown) => machine.options.journal.fault("oci.clear", error, { id }))
    .finally(() => machine.clearing.delete(clearing));
  machine.clearing.add(clearing);
}
