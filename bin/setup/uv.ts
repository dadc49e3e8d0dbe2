import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError, mustRun, runCommand } from "../../src/kernel/command.ts";
import { findProgram, helperEnvironment } from "./programs.ts";

const VERSION = "0.13.8";
/** SHA-256 of the wheels for x86_64 and aarch64 (glibc): pip takes no other file under this name and version. */
const HASHES = [
  "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
  "5337c30bb893b4f9ce0ceb921ba2da0d13f649da644f40ad3bef84083bef0203",
];

/** Where uv's program lies, once it is there. */
export function uvPath(toolsFolder: string): string {
  return join(toolsFolder, `uv-${VERSION}`, "uv");
}

/** Brings the pinned uv by the host's pip, which knows the operator's mirror, proxy and certificates; resolves with its path. */
export async function ensureUv(toolsFolder: string): Promise<string> {
  const target = uvPath(toolsFolder);
  if (existsSync(target)) return realpathSync(target);
  mkdirSync(toolsFolder, { recursive: true, mode: 0o755 });
  const half = mkdtempSync(join(toolsFolder, ".half-"));
  try {
    const requirements = join(half, "requirements.txt");
    writeFileSync(requirements, `uv==${VERSION} ${HASHES.map((hash) => `--hash=sha256:${hash}`).join(" ")}\n`);
    const flags = [
      "--no-deps",
      "--only-binary=:all:",
      "--require-hashes",
      "--no-compile",
      "--disable-pip-version-check",
      "--quiet",
    ];
    const packages = join(half, "packages");
    const pip = await findPip(half);
    await mustRun([...pip, "install", ...flags, "--target", packages, "-r", requirements], { env: pipEnvironment() });
    const program = join(half, "uv-program");
    mkdirSync(program, { mode: 0o755 });
    renameSync(join(packages, "bin", "uv"), join(program, "uv"));
    chmodSync(join(program, "uv"), 0o755);
    rmSync(join(toolsFolder, `uv-${VERSION}`), { recursive: true, force: true });
    renameSync(program, join(toolsFolder, `uv-${VERSION}`));
    return realpathSync(target);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = error.result.stderr.trim().split("\n").at(-1) ?? "";
    throw new Error(said || error.message, { cause: error });
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
}

/** The host's pip, or one in a virtual environment where the distribution keeps pip to itself. */
async function findPip(folder: string): Promise<string[]> {
  const python = findProgram("python3");
  if (python === null) throw new Error("Python 3 is not installed");
  const { exitCode } = await runCommand([python, "-m", "pip", "--version"], { env: pipEnvironment() });
  if (exitCode === 0) return [python, "-m", "pip"];
  const environment = join(folder, "venv");
  await mustRun([python, "-m", "venv", environment], { env: pipEnvironment() });
  return [join(environment, "bin", "python3"), "-m", "pip"];
}

/** The operator's own settings for pip and certificates apply. */
function pipEnvironment(): Record<string, string> {
  const wanted = Object.entries(process.env).filter(([name]) => /^(PIP|SSL|REQUESTS|CURL|XDG)_/.test(name));
  return { ...helperEnvironment(), ...(Object.fromEntries(wanted) as Record<string, string>) };
}
