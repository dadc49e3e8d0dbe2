import { mkdir } from "node:fs/promises";
import type { DynoNote } from "../dyno-folders.ts";
import { type BuildCommand, type BuildSandbox, BUILD_PROCESSES, ONE_STREAM, startHelper, superviseBuild } from "../sandbox.ts";
import { HELPER_ENV, type Host } from "./host.ts";

/** Builds as the app's user on the host itself: paths of the sandbox are translated, everything else is the host's. */
export function createSandbox(host: Host): BuildSandbox {
  return {
    isolated: false,
    run: async (command) => {
      const id = `build-${command.id}`;
      const { argv, env, cwd } = translatePaths(command);
      await mkdir(host.folders.path(id), { mode: 0o711 });
      try {
        await host.folders.write(buildNote(id));
        const limits = { memoryBytes: command.memoryBytes, cpuShare: 1, maxProcesses: BUILD_PROCESSES };
        const begin = await host.beginArgv(id, { env, cwd, uid: command.uid, argv: [...ONE_STREAM, ...argv] });
        const helper = startHelper(host.joinArgv(await host.group(id, limits), begin), { env: HELPER_ENV, stdin: "ignore" });
        const ending = await superviseBuild(helper, {
          command,
          clock: host.options.clock,
          kill: async () => await host.kill(id),
        });
        const starved = ending.reason === "exit" && ending.exitCode !== 0 && (await host.memoryKills(id)) > 0;
        return starved ? { ...ending, reason: "memory" } : ending;
      } finally {
        await host.destroy(id);
      }
    },
  };
}

function buildNote(dynoId: string): DynoNote {
  return { dynoId, kind: "build", address: "", port: null, index: null, logPath: null, first: null, monitor: null };
}

/** A command for the sandbox's paths, told with the host's: in its words, its working folder, and each part of `a:b:c` in the environment. */
export function translatePaths(command: Pick<BuildCommand, "argv" | "env" | "cwd" | "mounts">): {
  argv: string[];
  env: Record<string, string>;
  cwd: string;
} {
  const mounts = command.mounts.toSorted((a, b) => b.inside.length - a.inside.length);
  const translate = (path: string): string => {
    const mount = mounts.find(({ inside }) => path === inside || path.startsWith(`${inside}/`));
    return mount === undefined ? path : mount.host + path.slice(mount.inside.length);
  };
  const list = (value: string): string => value.split(":").map(translate).join(":");
  return {
    argv: command.argv.map(translate),
    env: Object.fromEntries(Object.entries(command.env).map(([name, value]) => [name, list(value)])),
    cwd: translate(command.cwd),
  };
}
