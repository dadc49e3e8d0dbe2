import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { BuildFailure } from "./build-failure.ts";
import { parseProcfile, type Procfile } from "./procfile.ts";
import { readUserFile, type Workspace } from "./workspace.ts";

const MAX_ANSWER_BYTES = 1024 * 1024;
/** Reading YAML takes its time. */
const MAX_RELEASE_LENGTH = 64 * 1024;

/** What the driver script has written into the result folder. Written by the build's user: shapes are checked, nothing is believed. */
export interface DriverAnswer {
  failure: { word: string; about: string } | null;
  /** Whether the script has run at all. */
  started: boolean;
  done: boolean;
  /** Names, in order. */
  buildpacks: string[];
  description: string | null;
  /** Default process types of the last buildpack. */
  defaults: Record<string, string>;
  procfile: Procfile | null;
}

export async function readAnswer(workspace: Workspace): Promise<DriverAnswer> {
  const read = async (name: string): Promise<string | null> => await readUserFile(join(workspace.result, name), MAX_ANSWER_BYTES);
  const [started, failure, done, buildpacks, description, release, procfile] = await Promise.all(
    ["started", "failure", "done", "buildpacks", "description", "release", "Procfile"].map(read),
  );
  const [word = "", about = ""] = (failure ?? "").split("\n");
  return {
    failure: failure === null || failure === undefined ? null : { word, about: printable(about) },
    started: typeof started === "string",
    done: typeof done === "string",
    buildpacks: (buildpacks ?? "").split("\n").filter((line) => line !== ""),
    description: typeof description === "string" ? printable(description.split("\n")[0] ?? "") : null,
    defaults: readDefaults(release ?? ""),
    procfile: typeof procfile === "string" ? parseProcfile(procfile) : null,
  };
}

/** `default_process_types` of bin/release's YAML (Dev Center, "Buildpack API"). */
export function readDefaults(text: string): Record<string, string> {
  if (text.length > MAX_RELEASE_LENGTH)
    throw new BuildFailure(`The buildpack's bin/release answered more than ${MAX_RELEASE_LENGTH} characters.`);
  let release: unknown;
  try {
    // Whether a key comes twice is looked for among all others, for each.
    release = parse(text, { maxAliasCount: 0, uniqueKeys: false });
  } catch (error) {
    throw new BuildFailure(`The buildpack's bin/release answered no YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  if (typeof release !== "object" || release === null || !("default_process_types" in release)) return {};
  const types = release.default_process_types;
  if (typeof types !== "object" || types === null || Array.isArray(types)) return {};
  return Object.fromEntries(
    Object.entries(types).flatMap(([type, value]: [string, unknown]) => {
      const command = typeof value === "object" && value !== null && "command" in value ? value.command : value;
      return typeof command === "string" && /^[A-Za-z0-9_-]{1,128}$/.test(type) && command.trim() !== ""
        ? [[type, command.trim()]]
        : [];
    }),
  );
}

/** Names in the root folder of the source, for the hint when nothing was detected. */
export async function rootNames(folder: string): Promise<string[]> {
  return (await readdir(folder)).map(printable);
}

function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]/g, "?").slice(0, 100);
}
