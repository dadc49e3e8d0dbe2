import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { UploadRoom } from "../kernel/disk.ts";
import type { PacketReader } from "./packet.ts";
import { QUARANTINE_PREFIX } from "./repositories.ts";
import { GIT_ENVIRONMENT, type Repository } from "./repository.ts";

/** With history. Heroku limits the checkout to 1 GB and names no limit here. */
export const PACK_LIMIT_BYTES = 2 * 1024 ** 3;

const PACK_HEADER_BYTES = 12;
/** git's transfer.unpackLimit: smaller pushes are stored as loose objects, larger ones as a pack. */
const LOOSE_BELOW_OBJECTS = 100;
const SHOW_PROGRESS_FROM_OBJECTS = 5000;
const KEPT_ERROR_BYTES = 4000;

/** The pack was not taken; the message is for the pushing user. */
export class UnpackError extends Error {
  override name = "UnpackError";
}

/** Where a push's objects lie until it is accepted: they see the repository's objects, the repository does not see them. */
export class Quarantine {
  readonly folder: string;
  /** For git commands that are to see the pushed objects. */
  readonly env: Record<string, string>;
  readonly #repository: Repository;

  private constructor(repository: Repository, folder: string) {
    this.#repository = repository;
    this.folder = folder;
    this.env = {
      GIT_OBJECT_DIRECTORY: folder,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(repository.objects),
      GIT_QUARANTINE_PATH: folder,
    };
  }

  static async open(repository: Repository): Promise<Quarantine> {
    return new Quarantine(repository, await mkdtemp(join(repository.objects, QUARANTINE_PREFIX)));
  }

  /**
   * Takes the pack that follows in the request, thin or not; memory use does not depend on its size. Resolves when the request has been
   * read to its end, with the rest of the work: to be awaited, it throws an `UnpackError`.
   */
  async receive(packets: PacketReader, limitBytes: number): Promise<(onProgress: (chunk: Buffer) => void) => Promise<void>> {
    const header = await packets.take(PACK_HEADER_BYTES);
    if (header.length < PACK_HEADER_BYTES || header.toString("latin1", 0, 4) !== "PACK") {
      for await (const _ of packets.rest());
      return async () => await Promise.reject(new UnpackError("the push carries no pack"));
    }
    const objects = header.readUInt32BE(8);
    const hasProgress = objects >= SHOW_PROGRESS_FROM_OBJECTS;
    const args =
      objects < LOOSE_BELOW_OBJECTS
        ? ["unpack-objects", "-q"]
        : ["index-pack", "--stdin", "--fix-thin", ...(hasProgress ? ["--show-resolving-progress"] : [])];
    const [program = "git", ...rest] = this.#repository.argv(...args);
    const child = spawn(program, rest, { env: { ...GIT_ENVIRONMENT, ...this.env }, stdio: ["pipe", "ignore", "pipe"] });
    const ended = new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? 1));
    });
    ended.catch(() => {});
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString("utf8")).slice(-KEPT_ERROR_BYTES);
    });
    const room = new UploadRoom(this.folder);
    const { size, isDiskFull } = await feed(child, header, packets, { limitBytes, room }).catch(async (error: unknown) => {
      // The client went away in the middle.
      child.kill("SIGKILL");
      await ended;
      throw error;
    });
    return async (onProgress) => {
      if (hasProgress) child.stderr.on("data", onProgress);
      const exitCode = await ended;
      if (isDiskFull) throw new UnpackError("the disk of this installation is almost full. Ask its operator to make room");
      if (size > limitBytes) throw new UnpackError(`the push is larger than ${Math.round(limitBytes / 1024 ** 2)} MB`);
      if (exitCode !== 0) throw new UnpackError(lastLine(complaint) ?? `git ${args[0]} failed`);
    };
  }

  /**
   * Whether every object that the new commits and tags need is there: git's own check on a push, without the refs of other repositories,
   * as objects are borrowed from none.
   */
  async isConnected(tips: readonly string[]): Promise<boolean> {
    const args = ["rev-list", "--objects", "--stdin", "--not", "--all", "--quiet"];
    const { exitCode } = await this.#repository.git(args, { env: this.env, input: tips.map((tip) => `${tip}\n`).join("") });
    return exitCode === 0;
  }

  /** Moves the objects into the repository. An index goes last: a pack is only seen when it is whole. */
  async migrate(): Promise<void> {
    for (const entry of await readdir(this.folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || !/^([0-9a-f]{2}|pack)$/.test(entry.name)) continue;
      const from = join(this.folder, entry.name);
      const into = join(this.#repository.objects, entry.name);
      await mkdir(into, { recursive: true });
      const files = await readdir(from);
      files.sort((a, b) => Number(a.endsWith(".idx")) - Number(b.endsWith(".idx")));
      for (const file of files) await rename(join(from, file), join(into, file));
    }
  }

  async drop(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/**
 * Hands the pack to git, as fast as git takes it; the pack's size. When git leaves early, because the pack is broken or too large, the
 * request is read on and thrown away: a client that cannot send does not read the answer either.
 */
async function feed(
  child: ChildProcessByStdio<Writable, null, Readable>,
  header: Buffer,
  packets: PacketReader,
  { limitBytes, room }: { limitBytes: number; room: UploadRoom },
): Promise<{ size: number; isDiskFull: boolean }> {
  const deaf = new AbortController();
  child.stdin.on("error", () => deaf.abort());
  child.on("close", () => deaf.abort());
  let size = header.length;
  let isDiskFull = false;
  child.stdin.write(header);
  for await (const chunk of packets.rest()) {
    size += chunk.length;
    isDiskFull ||= !(await room.take(chunk.length));
    if (size > limitBytes || isDiskFull) child.kill("SIGKILL");
    if (deaf.signal.aborted || child.stdin.write(chunk)) continue;
    await once(child.stdin, "drain", { signal: deaf.signal }).catch(() => {});
  }
  child.stdin.end();
  return { size, isDiskFull };
}

function lastLine(text: string): string | null {
  const line = text
    .split(/[\r\n]/)
    .findLast((candidate) => candidate.trim() !== "")
    ?.trim();
  return line === undefined ? null : line.replace(/^(fatal|error): /, "");
}
