import { chown, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { mustRun, runCommand } from "../../kernel/command.ts";

/** Folders of installed dependencies: large, and not written to by the app; they are shared with the slug by hard links. */
const SHARED = new Set([".heroku", "node_modules", ".venv", "venv", "vendor"]);

/**
 * Makes a dyno's own copy of its slug's `app` folder. Dependencies are hard-linked; the app's own files are copied (by reference where the
 * file system can), because a program may change them in place and the slug must stay what it is.
 */
export async function copyHome(slugRoot: string | null, home: string, uid: number | null): Promise<void> {
  await mkdir(home, { mode: 0o755 });
  if (slugRoot !== null) {
    const app = join(slugRoot, "app");
    const names = await readdir(app);
    const paths = (shared: boolean): string[] =>
      names.filter((name) => SHARED.has(name) === shared).map((name) => join(app, name));
    await copy(["-a", "--reflink=auto"], paths(false), home);
    const linked = await copy(["-a", "--link"], paths(true), home, true);
    // Another file system: no hard links.
    if (!linked) await copy(["-a", "--reflink=auto", "--remove-destination"], paths(true), home);
  }
  if (uid !== null) await chown(home, uid, uid);
}

async function copy(flags: string[], sources: string[], target: string, mayFail = false): Promise<boolean> {
  if (sources.length === 0) return true;
  const argv = ["cp", ...flags, "--target-directory", target, "--", ...sources];
  if (!mayFail) await mustRun(argv);
  return mayFail ? (await runCommand(argv)).exitCode === 0 : true;
}
