import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { type CommandOptions, type CommandResult, mustRun, runCommand } from "../kernel/command.ts";
import { NO_OBJECT, type RefCommand } from "./push-order.ts";

/** The whole environment of our git processes: no configuration of the machine or of root's home has a say. */
export const GIT_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/nonexistent",
  LC_ALL: "C.UTF-8",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
};

/**
 * Limits of each of our git processes: some kilobytes of a hostile pack can stand for any amount of memory (objects that are no files
 * are never streamed, nor are deltas), and a tree can hold itself. By prlimit(1) of util-linux; memory mapped from files does not count.
 */
const MAX_MEMORY_BYTES = 1536 * 1024 ** 2;
const MAX_PROCESSOR_SECONDS = 900;
/** Larger files are streamed. */
const STREAM_FROM = "core.bigFileThreshold=64m";
export const LIMITED_GIT = ["prlimit", `--data=${MAX_MEMORY_BYTES}`, `--cpu=${MAX_PROCESSOR_SECONDS}`, "git", "-c", STREAM_FROM];

/** git's own threshold is 6,700 loose objects; ours are tidied in the background, so earlier. */
const LOOSE_OBJECTS_BEFORE_GC = 1000;

/** One app's bare repository. */
export class Repository {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get objects(): string {
    return join(this.folder, "objects");
  }

  /** argv of a git command in this repository. */
  argv(...args: string[]): string[] {
    return [...LIMITED_GIT, "--git-dir", this.folder, ...args];
  }

  /** Runs git here; `env` is added to the fixed environment. */
  async git(args: string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await runCommand(this.argv(...args), { ...options, env: { ...GIT_ENVIRONMENT, ...options.env } });
  }

  /** All refs and the objects they name, in the order of their names; read from the files, as every push begins with this question. */
  async refs(): Promise<Map<string, string>> {
    const refs = new Map<string, string>();
    for (const path of await filesBelow(join(this.folder, "refs"))) {
      const object = (await readFile(path, "utf8").catch(() => "")).trim();
      // A lock file, or one that has just gone, names nothing.
      if (/^[0-9a-f]{40}$/.test(object) && !path.endsWith(".lock")) refs.set(relative(this.folder, path), object);
    }
    // After the single files, which win over it: a ref that is being packed is in one of the two.
    const packed = await readFile(join(this.folder, "packed-refs"), "utf8").catch(() => "");
    for (const [, object = "", name = ""] of packed.matchAll(/^([0-9a-f]{40}) (refs\/.+)$/gm)) {
      if (!refs.has(name)) refs.set(name, object);
    }
    return new Map([...refs].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What one ref names, or null; read from the files, as this is asked in the middle of every push. */
  async ref(name: string): Promise<string | null> {
    const loose = await readFile(join(this.folder, name), "utf8").catch(() => "");
    if (loose !== "") return loose.trim();
    const packed = await readFile(join(this.folder, "packed-refs"), "utf8").catch(() => "");
    const line = packed.split("\n").find((candidate) => candidate.endsWith(` ${name}`));
    return line?.slice(0, line.indexOf(" ")) ?? null;
  }

  /** Moves refs in one transaction: all, or none and false. */
  async update(commands: readonly RefCommand[]): Promise<boolean> {
    const input = commands.map(({ ref, from, to }) =>
      to === NO_OBJECT ? `delete ${ref} ${from}\n` : `update ${ref} ${to} ${from}\n`,
    );
    const { exitCode } = await this.git(["update-ref", "--stdin"], { input: input.join("") });
    return exitCode === 0;
  }

  /** Whether everything in `older` is also in `newer`. */
  async isAncestor(older: string, newer: string, env: Record<string, string>): Promise<boolean> {
    const { exitCode } = await this.git(["merge-base", "--is-ancestor", older, newer], { env });
    return exitCode === 0;
  }

  /** Makes `ref` what a clone checks out. */
  async setHead(ref: string): Promise<void> {
    const path = join(this.folder, "HEAD");
    const content = `ref: ${ref}\n`;
    if ((await readFile(path, "utf8")) === content) return;
    await writeFile(`${path}.new`, content);
    await rename(`${path}.new`, path);
  }

  /** Size of the objects on disk, in bytes. */
  async size(): Promise<number> {
    const { stdout } = await this.git(["count-objects", "-v"]);
    let kibibytes = 0;
    for (const [, count] of stdout.matchAll(/^size(?:-pack)?: (\d+)$/gm)) kibibytes += Number(count);
    return kibibytes * 1024;
  }

  /** Packs loose objects when there are many. */
  async tidy(): Promise<void> {
    const settings = ["-c", "gc.autoDetach=false", "-c", `gc.auto=${LOOSE_OBJECTS_BEFORE_GC}`];
    await mustRun(this.argv(...settings, "gc", "--auto", "--quiet"), { env: GIT_ENVIRONMENT });
  }
}

/** Folders that git removes meanwhile are empty. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const paths: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) paths.push(...(await filesBelow(path)));
    else paths.push(path);
  }
  return paths;
}
