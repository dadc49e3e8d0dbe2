import { type BuildSandbox, BUILD_PROCESSES, ONE_STREAM, superviseBuild } from "../sandbox.ts";
import { destroyContainer, prepareContainer } from "./container.ts";
import { enterArgv, HELPER_ENV, type Machine } from "./machine.ts";

const CLEARING_PAUSE_MILLISECONDS = 1000;

/**
 * Builds run in a container of the same kind as dynos, which ends with the command: when its first process has ended, the kernel has
 * ended all others, and nobody writes to the build's folders any more. What is left of it then goes while the build goes on.
 */
export function createSandbox(machine: Machine): BuildSandbox {
  const { clock } = machine.options;
  return {
    isolated: true,
    run: async (command) => {
      const id = `build-${command.id}`;
      const prepared = await prepareContainer(machine, {
        id,
        kind: "build",
        argv: ["/usr/bin/tini", "--", ...ONE_STREAM, ...command.argv],
        env: command.env,
        cwd: command.cwd,
        uid: command.uid,
        stack: command.stack,
        slugRoot: null,
        binds: command.mounts,
        limits: { memoryBytes: command.memoryBytes, cpuShare: 1, maxProcesses: BUILD_PROCESSES },
        memoryAndSwapBytes: command.memoryBytes,
        port: null,
        terminal: null,
      });
      // Kept after its end, because the count of processes killed for want of memory goes with it.
      const run = [...machine.runtime, "run", "--keep", "--bundle", prepared.bundle, "--pid-file", prepared.pidFile, id];
      try {
        const ending = await superviseBuild(enterArgv(machine, prepared.overlayOptions, run), {
          command,
          env: HELPER_ENV,
          cwd: "/",
          clock,
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
    },
  };
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
