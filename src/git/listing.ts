import type { Repository } from "./repository.ts";

/** More files than any app has. A tree that names itself many times has millions of them in a push of some hundred bytes. */
export const MAX_FILES = 300_000;

const MAX_LISTING_BYTES = 128 * 1024 ** 2;
const SUBMODULE_MODE = "160000";
const NAMED_SUBMODULES = 5;

/** The files of a commit before they are written out. */
export interface Listing {
  files: number;
  bytes: number;
  /** The first few. */
  submodules: string[];
  /** The counting was given up: there are more files than `MAX_FILES`. */
  endless: boolean;
}

/** Counts files and bytes of a commit and names its submodules, without writing anything. */
export async function listSource(repository: Repository, commit: string, env: Record<string, string>): Promise<Listing> {
  const reader = new ListingReader();
  const enough = new AbortController();
  const args = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit];
  try {
    await repository.git(args, {
      env,
      maxBytes: 0,
      signal: enough.signal,
      onStdout: (chunk) => {
        reader.push(chunk);
        if (reader.listing.endless) enough.abort();
      },
    });
  } catch (error) {
    if (!enough.signal.aborted) throw error;
  }
  return reader.listing;
}

/** Reads `git ls-tree -r -l -z`, `<mode> <type> <object> <size>\t<path>\0`, as it comes. */
class ListingReader {
  readonly listing: Listing = { files: 0, bytes: 0, submodules: [], endless: false };
  #rest: Buffer = Buffer.alloc(0);
  #read = 0;

  push(chunk: Buffer): void {
    this.#read += chunk.length;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
      this.#entry(bytes, start, end);
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    this.listing.endless = this.listing.files > MAX_FILES || this.#read > MAX_LISTING_BYTES;
  }

  #entry(bytes: Buffer, start: number, end: number): void {
    const tab = bytes.indexOf(0x09, start);
    if (tab === -1 || tab > end) return;
    const [mode, , , size] = bytes.toString("latin1", start, tab).split(/ +/);
    if (mode !== SUBMODULE_MODE) {
      this.listing.files += 1;
      this.listing.bytes += Number(size);
    } else if (this.listing.submodules.length < NAMED_SUBMODULES) {
      this.listing.submodules.push(bytes.toString("utf8", tab + 1, end));
    }
  }
}
