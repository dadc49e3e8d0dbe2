import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun, runCommand } from "../kernel/command.ts";
import { isAlive, type ProcessMark } from "./host-process.ts";
import type { ObservedDyno, StartedDyno } from "./ports.ts";

/** What a driver writes down about each thing it runs, so that the next control plane finds it again. */
export interface DynoNote {
  dynoId: string;
  /** `dyno` outlives the control plane; `attached` and `build` end with it. */
  kind: "dyno" | "attached" | "build";
  address: string;
  port: number | null;
  /** Its place in the network, for the oci driver. */
  index: number | null;
  /** Output file that the driver must keep from growing; null: somebody else does. */
  logPath: string | null;
  /** The dyno's first process; null until it runs. */
  first: ProcessMark | null;
  /** The process that waits for it and writes the exit file. */
  monitor: ProcessMark | null;
}

/** What a shell shows for a process ended by SIGKILL; used when nobody was left to write the exit file. */
const UNKNOWN_EXIT_CODE = 137;

/** `<dynos>/live/<id>/…` and the exit files `<dynos>/exits/<id>`, each holding an exit code in decimal. */
export class DynoFolders {
  readonly live: string;
  readonly exits: string;

  constructor(folder: string) {
    this.live = join(folder, "live");
    this.exits = join(folder, "exits");
  }

  async prepare(): Promise<void> {
    await mkdir(this.live, { recursive: true, mode: 0o711 });
    await mkdir(this.exits, { recursive: true, mode: 0o700 });
  }

  path(dynoId: string, ...rest: string[]): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(dynoId)) throw new Error(`not a dyno's id: ${dynoId}`);
    return join(this.live, dynoId, ...rest);
  }

  /** Replaces the note in one step: a reader sees the old one or the new one. */
  async write(note: DynoNote): Promise<void> {
    const file = this.path(note.dynoId, "note.json");
    await writeFile(`${file}.new`, JSON.stringify(note));
    await rename(`${file}.new`, file);
  }

  async read(dynoId: string): Promise<DynoNote | null> {
    const text = await readFile(this.path(dynoId, "note.json"), "utf8").catch(() => null);
    return text === null ? null : (JSON.parse(text) as DynoNote);
  }

  async ids(): Promise<string[]> {
    return await readdir(this.live);
  }

  async exitCode(dynoId: string): Promise<number | null> {
    const text = await readFile(join(this.exits, dynoId), "utf8").catch(() => "");
    return /^\d+\s*$/.test(text) ? Number(text) : null;
  }

  /** By rm(1), which gets to the bottom of any depth of folders a program has left. */
  async remove(dynoId: string): Promise<void> {
    const folder = this.path(dynoId);
    const argv = ["rm", "--recursive", "--force", "--one-file-system", "--", folder];
    if ((await runCommand(argv)).exitCode !== 0) {
      // Without root, folders that their owner has closed to himself must be opened first.
      await runCommand(["chmod", "--recursive", "u+rwX", "--", folder]);
      await mustRun(argv);
    }
    await rm(join(this.exits, dynoId), { force: true });
  }

  /** Every dyno with its state; not what is attached or builds. A dyno whose monitor still works on its exit counts as running. */
  async observe(): Promise<ObservedDyno[]> {
    const seen: ObservedDyno[] = [];
    for (const dynoId of await this.ids()) {
      const note = await this.read(dynoId);
      if (note === null || note.kind !== "dyno" || note.first === null) continue;
      const alive = isAlive(note.first) || (note.monitor !== null && isAlive(note.monitor));
      const written = await this.exitCode(dynoId);
      const exitCode = written ?? (alive ? null : UNKNOWN_EXIT_CODE);
      seen.push({ dynoId, running: exitCode === null, exitCode, started: startedDyno(note) });
    }
    return seen;
  }
}

export function startedDyno(note: DynoNote): StartedDyno | null {
  if (note.first === null) return null;
  return { dynoId: note.dynoId, address: note.address, port: note.port, pid: note.first.pid };
}
