import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../../../src/kernel/command.ts";

const VERSION = "11.10.0";
const CACHE = join(import.meta.dirname, "..", "..", "..", ".cache");

/**
 * Folder with the program `heroku`, the unmodified CLI from npm. It is 395 MB, so it is no dependency: the first test run puts it beside
 * the other caches (about 40 s). `ZARPA_TEST_HEROKU` names the folder of another one.
 */
export async function herokuCli(): Promise<string> {
  const given = process.env["ZARPA_TEST_HEROKU"];
  if (given !== undefined) return given;
  const folder = join(CACHE, `heroku-cli-${VERSION}`);
  const programs = join(folder, "node_modules", ".bin");
  if (existsSync(join(programs, "heroku"))) return programs;
  process.stderr.write(`Installing the heroku CLI ${VERSION} for the acceptance tests (about 40 s) …\n`);
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, "heroku-cli-"));
  try {
    await writeFile(join(draft, "package.json"), '{ "private": true }\n');
    const options = ["--no-audit", "--no-fund", "--no-progress", "--ignore-scripts", "--loglevel=error"];
    await mustRun(["npm", "install", "--prefix", draft, ...options, `heroku@${VERSION}`], { env: inheritedEnvironment() });
    await rename(draft, folder).catch((error: unknown) => {
      // Another test file was faster.
      if (!existsSync(join(programs, "heroku"))) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return programs;
}

/** This process's environment without anything that points at another platform, the user's or the real Heroku. */
export function inheritedEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) =>
      value !== undefined && !/^(ZARPA_|HEROKU_|NODE_TEST|GIT_|npm_|DATABASE_URL$|INIT_CWD$|XDG_|BROWSER$)/.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}
