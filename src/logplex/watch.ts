import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";

interface Folder {
  watcher: FSWatcher;
  files: Map<string, () => void>;
}

/** Tells of changes to single files, with one inotify watch for each folder. */
export class FileWatch {
  readonly #folders = new Map<string, Folder>();

  /** Calls `onChange` when the file is made, written or replaced. False: this folder cannot be watched, look now and then. */
  add(path: string, onChange: () => void): boolean {
    const name = dirname(path);
    let folder = this.#folders.get(name);
    if (folder === undefined) {
      const files = new Map<string, () => void>();
      try {
        const watcher = watch(name, { persistent: false }, (_event, file) => {
          if (file !== null) files.get(file)?.();
        });
        watcher.on("error", () => watcher.close());
        folder = { watcher, files };
      } catch {
        return false;
      }
      this.#folders.set(name, folder);
    }
    folder.files.set(basename(path), onChange);
    return true;
  }

  delete(path: string): void {
    const name = dirname(path);
    const folder = this.#folders.get(name);
    folder?.files.delete(basename(path));
    if (folder === undefined || folder.files.size > 0) return;
    folder.watcher.close();
    this.#folders.delete(name);
  }

  close(): void {
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }
}
