import { chown, lstat, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../kernel/command.ts";
import { BuildFailure } from "./build-failure.ts";
import type { BuildpackSource } from "./buildpack.ts";
import { download } from "./download.ts";
import type { SandboxCommand } from "./ports.ts";
import { removeTree } from "./slug-store.ts";
import { unpack } from "./unpack.ts";

const MAX_ARCHIVE_BYTES = 256 * 1024 * 1024;
const CLONE_MILLISECONDS = 120_000;

export interface FetchContext {
  /** `<caches>/<app>/buildpacks`: an app's fetched buildpacks are its own. */
  folder: string;
  /** Folder of our own buildpacks. */
  own: string;
  /** Where `folder/KEY` is seen by a sandboxed command, and the driver folder. */
  inside: { fetched: string; driver: string };
  uid: number;
  trustedOrigins: readonly string[];
  signal: AbortSignal;
  /** Runs a command in the build's sandbox; answers its exit code. */
  run: (command: Pick<SandboxCommand, "argv" | "cwd" | "mounts" | "timeoutMilliseconds">) => Promise<number>;
  say: (text: string) => void;
}

/** Brings a buildpack onto this machine, the newest version each time; answers its folder on the host. */
export async function fetchBuildpack(source: BuildpackSource, context: FetchContext): Promise<string> {
  if (source.kind === "own") return join(context.own, source.folder);
  const place = join(context.folder, source.key);
  const current = join(place, "current");
  await mkdir(place, { recursive: true, mode: 0o755 });
  if (source.kind === "git" && process.getuid?.() === 0) await chown(place, context.uid, context.uid);
  try {
    await (source.kind === "git" ? clone(source, place, context) : unpackInto(source.url, place, context));
  } catch (error) {
    if (!(error instanceof BuildFailure) || !(await isFolder(current))) throw error;
    context.say(` !     The buildpack ${source.url} cannot be fetched now; its last version is used.\n`);
  }
  // It is mounted into the build: a link in its place would show the build another folder of the host.
  if (!(await isFolder(current))) throw new BuildFailure(`The buildpack ${source.url} is no folder of files.`);
  return current;
}

async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null))?.isDirectory() === true;
}

/** Git speaks with a stranger's server: it does so in the sandbox, as the app's user. */
async function clone(source: BuildpackSource & { kind: "git" }, place: string, context: FetchContext): Promise<void> {
  const { driver, fetched } = context.inside;
  const exitCode = await context.run({
    argv: ["/bin/bash", `${driver}/fetch-buildpack.bash`, fetched, source.url, source.branch ?? ""],
    cwd: "/",
    mounts: [{ host: place, inside: fetched, writable: true }],
    timeoutMilliseconds: CLONE_MILLISECONDS,
  });
  if (exitCode === 0) return;
  const branch = source.branch === null ? "" : ` (branch ${source.branch})`;
  throw new BuildFailure(`The buildpack ${source.url}${branch} could not be cloned.`);
}

async function unpackInto(url: string, place: string, context: FetchContext): Promise<void> {
  const { uid, trustedOrigins, signal } = context;
  const [file, fresh] = [join(place, "archive"), join(place, "new")];
  await removeTree(fresh);
  await mkdir(fresh);
  await download({ url, to: file, maxBytes: MAX_ARCHIVE_BYTES, trustedOrigins, signal });
  await unpack(file, fresh, MAX_ARCHIVE_BYTES * 4);
  if (process.getuid?.() === 0) await mustRun(["chown", "--recursive", "--no-dereference", "-P", "--", `${uid}:${uid}`, fresh]);
  await removeTree(join(place, "current"));
  await rename(fresh, join(place, "current"));
}
