import type { BuildLimits, Stop } from "./limits.ts";

/** The texts around a build's own output, in the shape of Heroku's slug compiler. */

export function heading(text: string): string {
  return `-----> ${text}\n`;
}

export function complaint(text: string): string {
  return ` !     ${text}\n`;
}

/** `Procfile declares types     -> web, worker`. */
export function processTypesText(declared: string[], defaults: string[]): string {
  const list = (types: string[]): string => (types.length === 0 ? "(none)" : types.toSorted().join(", "));
  const own = `       Procfile declares types     -> ${list(declared)}\n`;
  const more = defaults.length === 0 ? "" : `       Default types for buildpack -> ${list(defaults)}\n`;
  return `${heading("Discovering process types")}${own}${more}\n`;
}

const KIB = 1024;

/** `22.3M`, as `Done: 22.3M` shows it. */
export function sizeText(bytes: number): string {
  if (bytes < KIB * KIB) return `${(bytes / KIB).toFixed(1)}K`;
  return `${(bytes / KIB / KIB).toFixed(1)}M`;
}

/** Why the sandbox ended a build; the last words of its output. */
export function stoppedText(
  why: "timeout" | "memory" | "aborted" | Stop,
  what: string,
  limits: BuildLimits,
): { reason: string; lines: string[] } {
  const minutes = Math.round(limits.milliseconds / 60_000);
  switch (why) {
    case "timeout":
      return stopped(`timed out compiling ${what} (limit: ${minutes} minutes)`, [
        `The build has run for ${minutes} minutes and was stopped.`,
        "See which step above hangs or waits for input: a build has none.",
      ]);
    case "memory":
      return stopped(`out of memory compiling ${what} (limit: ${sizeText(limits.memoryBytes)})`, [
        `The build needed more than the ${sizeText(limits.memoryBytes)} of memory that a build has, and was stopped.`,
      ]);
    case "output":
      return stopped(`too much output compiling ${what} (limit: ${sizeText(limits.outputBytes)})`, [
        `The build printed more than ${sizeText(limits.outputBytes)} and was stopped.`,
      ]);
    case "disk":
      return stopped("the disk is full", [
        "The build was stopped because the disk of this installation is almost full.",
        "Ask its operator to make room, or make the build write less.",
      ]);
    case "aborted":
      return { reason: "cancelled", lines: ["Build cancelled."] };
    default:
      return why satisfies never;
  }
}

function stopped(reason: string, lines: string[]): { reason: string; lines: string[] } {
  return { reason, lines: [...lines, `Push rejected, ${reason}.`] };
}

/** Nothing that a buildpack knows: what was found, and what was looked for. `names` are the root folder's. */
export function undetectedText(names: string[]): string {
  const shown = names.toSorted().slice(0, 12).join(", ");
  const found = names.length === 0 ? "The root folder of the source is empty." : `The root folder of the source holds: ${shown}.`;
  return [
    " !     No default language could be detected for this app.",
    "\t\t\tHINT: This occurs when Heroku cannot detect the buildpack to use for this application automatically.",
    "\t\t\tSee https://devcenter.heroku.com/articles/buildpacks",
    "",
    `       ${found}`,
    "       A Python app has a requirements.txt, Pipfile, pyproject.toml or uv.lock there, a Node.js app a package.json.",
    "",
    "",
  ].join("\n");
}
