import { runCommand } from "../../src/kernel/command.ts";

const PROBES = {
  pip: ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "/dev/null", "itsdangerous==0"],
  npm: ["npm", "view", "--silent", "is-number", "name"],
};

/** Why no packages can be had from a registry, or false. Asked of the registry's own client, which knows the machine's mirror. */
export async function registryMissing(registry: keyof typeof PROBES): Promise<string | false> {
  const env = { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: "1" } as Record<string, string>;
  const { exitCode, stderr } = await runCommand(PROBES[registry], { env });
  // pip has reached the index when it knows which versions there are.
  const reached = registry === "pip" ? /from versions: \d/.test(stderr) : exitCode === 0;
  return reached ? false : `needs the package registry of ${registry}`;
}
