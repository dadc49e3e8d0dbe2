import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../../kernel/command.ts";

/** One file for so many bytes: a full 4 GB has 262,144 of them, more than any language's packages need. */
const BYTES_PER_FILE = 16_384;
const TRIAL_BYTES = 16 * 1024 * 1024;

/** The private layer of a container as a file system of its own: the kernel ends writing at its size and its number of files. */
export interface LayerImage {
  /** An empty one of that size; each container gets a copy, which is as quick as its megabyte of tables. */
  template: string;
  image: string;
}

/** Empty disk images by their size, made when first wanted. They are sparse: a container takes as much of the disk as it has written. */
export class Layers {
  readonly #folder: string;
  readonly #env: Record<string, string>;
  readonly #templates = new Map<number, Promise<string>>();

  /** Below `folder`; `env` for the programs. */
  constructor(folder: string, env: Record<string, string>) {
    this.#folder = folder;
    this.#env = env;
  }

  /** Throws an Error when this machine cannot mount images: then nothing limits what a container writes but the disk. */
  async tryOut(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const template = await this.template(TRIAL_BYTES);
    const point = join(this.#folder, "trial");
    await mkdir(point);
    const mount = ["mount", "-t", "ext4", "-o", "loop,noinit_itable", template, point];
    await mustRun(["unshare", "--mount", "--propagation", "slave", ...mount], { env: this.#env });
  }

  async template(bytes: number): Promise<string> {
    const made = this.#templates.get(bytes) ?? this.#make(bytes);
    this.#templates.set(bytes, made);
    made.catch(() => this.#templates.delete(bytes));
    return await made;
  }

  async #make(bytes: number): Promise<string> {
    const draft = await mkdtemp(join(this.#folder, "draft-"));
    const content = join(draft, "content");
    for (const name of ["upper", "work"]) await mkdir(join(content, name), { recursive: true, mode: 0o755 });
    const image = join(draft, "image");
    // Nothing is to outlive the container: no journal. The whole of it is for the app: no reserve for root.
    const shape = ["-O", "^has_journal", "-m", "0", "-i", String(BYTES_PER_FILE), "-E", "lazy_itable_init=1,nodiscard"];
    await mustRun(["mkfs.ext4", "-q", "-F", ...shape, "-d", content, image, `${Math.ceil(bytes / 1024)}k`], { env: this.#env });
    const finished = join(this.#folder, `${bytes}.img`);
    await rename(image, finished);
    await rm(draft, { recursive: true });
    return finished;
  }
}
