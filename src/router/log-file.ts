import { open, type FileHandle } from "node:fs/promises";

const CHUNK_BYTES = 256 * 1024;

/** Whole lines of a growing file, from an offset on. */
export class LogFile {
  readonly inode: number;
  readonly #handle: FileHandle;
  offset: number;

  private constructor(handle: FileHandle, inode: number, offset: number) {
    this.#handle = handle;
    this.inode = inode;
    this.offset = offset;
  }

  /** Null when there is no such file. `offset` is asked once the file is known by its inode and size. */
  static async open(path: string, offset: (inode: number, size: number) => number | null): Promise<LogFile | null> {
    let handle: FileHandle;
    try {
      handle = await open(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
    const { ino, size } = await handle.stat();
    const from = offset(ino, size);
    if (from === null) {
      await handle.close();
      return null;
    }
    return new LogFile(handle, ino, from);
  }

  /** The next whole lines and the bytes they take; the caller adds these to `offset` when it has dealt with the lines. */
  async next(): Promise<{ lines: string[]; bytes: number }> {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await this.#handle.read(buffer, 0, CHUNK_BYTES, this.offset);
    // No line is that long: a chunk without an end of line is no log and is passed over.
    const end = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1 || (bytesRead === CHUNK_BYTES ? bytesRead : 0);
    const lines = buffer.toString("utf8", 0, end).split("\n");
    return { lines: lines.filter((line) => line !== ""), bytes: end };
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
