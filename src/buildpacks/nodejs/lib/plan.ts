import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as Semver from "semver";

/** Reads package.json and the lock files, and says what the build has to do. Run by the platform's own Node inside the build. */

export type Manager = "npm" | "yarn" | "berry" | "pnpm";

interface PackageJson {
  engines?: Record<string, unknown>;
  scripts?: Record<string, unknown>;
  packageManager?: unknown;
  workspaces?: unknown;
  devDependencies?: Record<string, unknown>;
  [name: string]: unknown;
}

export interface Plan {
  problem?: string;
  manager: Manager;
  /** npm range of the manager; empty: the default. */
  manager_range: string;
  /** `engines.node` and `engines.npm` as written. */
  node_range: string;
  npm_range: string;
  /** Exact; empty: the registry must be asked. */
  node_version: string;
  /** Whether that is the platform's own Node. */
  node_own: boolean;
  lock: string;
  scripts: string[];
  /** Scripts that npm would run after an install. */
  lifecycle: string[];
  has_dev: boolean;
  has_native: boolean;
  workspaces: boolean;
  default_web: string;
  /** Changes when another install would give other packages. */
  key: string;
}

export interface Facts {
  /** The Node that runs this. */
  ownVersion: string;
  /** All versions of the registry, when known. */
  versions: string[];
  semver: Pick<typeof Semver, "satisfies" | "validRange" | "maxSatisfying">;
}

/** A file of the app by its name in the root folder; null when there is none. */
export type Reader = (name: string) => string | null;

const LOCKS: [name: string, manager: "npm" | "yarn" | "pnpm"][] = [
  ["package-lock.json", "npm"],
  ["npm-shrinkwrap.json", "npm"],
  ["yarn.lock", "yarn"],
  ["pnpm-lock.yaml", "pnpm"],
];
const LIFECYCLE = ["preinstall", "install", "postinstall", "prepare"];
/** Members of package.json that decide what is installed. */
const INSTALL_MEMBERS = [
  "dependencies",
  "devDependencies",
  "optionalDependencies",
  "peerDependencies",
  "overrides",
  "resolutions",
  "pnpm",
  "packageManager",
  "bundleDependencies",
];

export function makePlan(read: Reader, facts: Facts): Plan | { problem: string } {
  const source = readJson(read("package.json") ?? "");
  if (typeof source === "string") return { problem: `Unable to parse package.json: ${source}` };
  const locks = LOCKS.filter(([name]) => read(name) !== null);
  const managers = new Set(locks.map(([, manager]) => manager));
  if (managers.size > 1) {
    const names = locks.map(([name]) => name).join(" and ");
    return { problem: `Two different lockfiles found: ${names}. Delete the one of the tool that you do not use.` };
  }
  const lock = locks[0]?.[0] ?? "";
  const lockText = lock === "" ? "" : (read(lock) ?? "");
  const { manager, manager_range } = chooseManager(source, locks[0]?.[1] ?? null, lockText);
  const node_range = text(source.engines?.["node"]);
  if (node_range !== "" && facts.semver.validRange(node_range) === null) {
    return {
      problem: `engines.node in package.json is "${node_range}": that is no range of versions. Write "24.x", for example.`,
    };
  }
  const { version, own } = chooseNode(node_range, facts);
  if (version === null) {
    return { problem: `There is no version of Node.js that satisfies engines.node "${node_range}" of package.json.` };
  }
  const scripts = Object.keys(source.scripts ?? {}).filter((name) => /^[\w:.-]+$/.test(name));
  return {
    manager,
    manager_range,
    node_range,
    npm_range: text(source.engines?.["npm"]),
    node_version: version,
    node_own: own,
    lock,
    scripts,
    lifecycle: LIFECYCLE.filter((name) => scripts.includes(name)),
    has_dev: Object.keys(source.devDependencies ?? {}).length > 0,
    has_native: /"hasInstallScript": true|requiresBuild: true/.test(lockText),
    workspaces: source.workspaces !== undefined || read("pnpm-workspace.yaml") !== null,
    default_web: scripts.includes("start") ? "npm start" : read("server.js") === null ? "" : "node server.js",
    key: installKey(source, lockText, [manager, manager_range, version], read),
  };
}

/** The range's highest version; our own Node when it will do, for it needs no download. `""`: ask the registry first. */
export function chooseNode(range: string, { ownVersion, versions, semver }: Facts): { version: string | null; own: boolean } {
  if (range === "" || semver.satisfies(ownVersion, range)) return { version: ownVersion, own: true };
  if (versions.length === 0) return { version: "", own: false };
  return { version: semver.maxSatisfying(versions, range), own: false };
}

function chooseManager(
  source: PackageJson,
  byLock: "npm" | "yarn" | "pnpm" | null,
  lockText: string,
): { manager: Manager; manager_range: string } {
  const [, named, version] = /^(npm|yarn|pnpm)@(\d+\.\d+\.\d+[\w.-]*)/.exec(text(source.packageManager)) ?? [];
  const name = byLock ?? named ?? "npm";
  const asked = named === name && version !== undefined ? version : text(source.engines?.[name]);
  if (name === "yarn") {
    const berry = /^\s*__metadata:/m.test(lockText) || (lockText === "" && /^[^0-9]*[2-9]/.test(asked));
    return berry ? { manager: "berry", manager_range: asked || "^4" } : { manager: "yarn", manager_range: asked || "^1.22" };
  }
  if (name === "pnpm") {
    const [, format = "9"] = /^lockfileVersion: '?(\d+)/m.exec(lockText) ?? [];
    const fitting = { "5": "^7", "6": "^8" }[format] ?? "^10";
    return { manager: "pnpm", manager_range: asked || fitting };
  }
  return { manager: "npm", manager_range: asked };
}

function installKey(source: PackageJson, lockText: string, facts: string[], read: Reader): string {
  const sum = createHash("sha256");
  const settings = [".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml"].map((name) => read(name) ?? "");
  const scripts = LIFECYCLE.map((name) => text(source.scripts?.[name]));
  sum.update(JSON.stringify([facts, settings, scripts, INSTALL_MEMBERS.map((name) => source[name] ?? null), lockText]));
  return sum.digest("hex");
}

/**
 * Paths below node_modules that only development needs, as npm's own list of what it installed says; with the commands of these
 * packages.
 */
export function devPaths(installed: string, commandTarget: (command: string) => string | null, commands: string[]): string[] {
  const list = JSON.parse(installed) as { packages?: Record<string, { dev?: boolean }> };
  const prefix = "node_modules/";
  const paths = Object.entries(list.packages ?? {})
    .filter(([path, facts]) => facts.dev === true && path.startsWith(prefix))
    .map(([path]) => path.slice(prefix.length));
  const left = new Set(paths);
  const unusable = commands.filter((command) => {
    const target = commandTarget(command);
    // `../mocha/bin/mocha.js`, `../@scope/name/cli.js`
    const [, name] = /^\.\.\/((?:@[^/]+\/)?[^/]+)\//.exec(target ?? "") ?? [];
    return name !== undefined && left.has(name);
  });
  return [...paths, ...unusable.map((command) => `.bin/${command}`)];
}

function readJson(content: string): PackageJson | string {
  try {
    const value: unknown = JSON.parse(content.replace(/^\uFEFF/, ""));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as PackageJson) : "it holds no object";
  } catch (error) {
    return (error as Error).message;
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

/** The plan, a member a line: name, tab, value. */
function planText(build: string, npmFolder: string, versionsFile: string): string {
  const semver = createRequire(join(npmFolder, "package.json"))("semver") as typeof Semver;
  const read: Reader = (name) => (existsSync(join(build, name)) ? readFileSync(join(build, name), "utf8") : null);
  const versions = existsSync(versionsFile) ? (JSON.parse(readFileSync(versionsFile, "utf8")) as string[]) : [];
  const plan = makePlan(read, { ownVersion: process.versions.node, versions, semver });
  const lines = Object.entries(plan).map(([name, value]) => {
    const shown = Array.isArray(value) ? value.join(" ") : String(value);
    return `${name}\t${shown.replace(/[\x00-\x1f\x7f]/g, " ")}\n`;
  });
  return lines.join("");
}

/** Development packages of a node_modules folder, a path a line. */
function devPathsText(folder: string): string {
  const installed = join(folder, ".package-lock.json");
  if (!existsSync(installed)) return "";
  const bin = join(folder, ".bin");
  const links = existsSync(bin) ? readdirSync(bin, { withFileTypes: true }).filter((entry) => entry.isSymbolicLink()) : [];
  const commands = links.map((entry) => entry.name);
  const paths = devPaths(readFileSync(installed, "utf8"), (command) => readlinkSync(join(bin, command)), commands);
  return paths.map((path) => `${path}\n`).join("");
}

// `plan.ts plan BUILD_DIR NPM_FOLDER VERSIONS_FILE` and `plan.ts dev-paths FOLDER`
if (import.meta.main) {
  const [what, ...args] = process.argv.slice(2);
  const [first = "", second = "", third = ""] = args;
  process.stdout.write(what === "plan" ? planText(first, second, third) : devPathsText(first));
}
