import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Reference data about Heroku's API lie beside the repository, not in it: tests that read them are skipped where they are not. */
const FOLDER = join(import.meta.dirname, "..", "..", "..", "shared", "reference");

/** The text of a reference file, or null when this machine does not have it. */
export function readReference(name: string): string | null {
  const path = join(FOLDER, name);
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}

/** For `test`'s `skip`: false when the file is there, else why it is skipped. */
export function skipWithout(name: string): string | false {
  return existsSync(join(FOLDER, name)) ? false : `../shared/reference/${name} is not on this machine`;
}
