import { createHash } from "node:crypto";
import { BUILDPACK_URN } from "../contract/buildpack.ts";
import { BuildFailure } from "./build-failure.ts";

export interface BuildpackChoice {
  url: string;
  name: string;
}

/** Where a buildpack's files come from. */
export type BuildpackSource =
  /** Folder of `src/buildpacks`. */
  | { kind: "own"; folder: string }
  | { kind: "git"; url: string; branch: string | null; key: string }
  | { kind: "archive"; url: string; key: string };

/** Our buildpacks in the order of detection: the first that detects the app builds it. */
export const OWN_BUILDPACKS: readonly { name: string; folder: string }[] = [
  { name: "heroku/python", folder: "python" },
  { name: "heroku/nodejs", folder: "nodejs" },
];

const ARCHIVE = /\.(tgz|tar\.gz|tar)$/i;

/**
 * Finds a buildpack by what the user has set: `heroku/python` in all the ways Heroku writes it (URN, registry archive, repository),
 * a Git repository (`#branch` at the end), or a tarball.
 */
export function resolveBuildpack(choice: BuildpackChoice): BuildpackSource {
  const own = ownBuildpack(choice);
  if (own !== null) return { kind: "own", folder: own.folder };
  const missing = heroku(choice.url);
  if (missing !== null) {
    const known = OWN_BUILDPACKS.map(({ name }) => name).join(", ");
    throw new BuildFailure(`The buildpack ${missing} is not part of this installation.`, [
      `The buildpack ${missing} is not part of this installation.`,
      `Use one of ${known}, or the URL of a Git repository: heroku buildpacks:set URL`,
    ]);
  }
  const url = URL.canParse(choice.url) ? new URL(choice.url) : null;
  if (url === null || !["http:", "https:", "git:"].includes(url.protocol)) {
    throw new BuildFailure(`The buildpack "${choice.url}" is neither a name nor an http(s) or git URL.`);
  }
  const key = createHash("sha256").update(choice.url).digest("hex").slice(0, 24);
  if (ARCHIVE.test(url.pathname) && url.protocol !== "git:") return { kind: "archive", url: url.href, key };
  const branch = url.hash === "" ? null : decodeURIComponent(url.hash.slice(1));
  // git would take it for an option, or for something else than a branch.
  if (branch !== null && !/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/.test(branch)) {
    throw new BuildFailure(`The buildpack's branch "${branch}" is not a branch name.`);
  }
  url.hash = "";
  return { kind: "git", url: url.href, branch, key };
}

/** Which of ours is meant; null: one of somebody else. */
export function ownBuildpack(choice: BuildpackChoice): { name: string; folder: string } | null {
  return OWN_BUILDPACKS.find(({ name }) => heroku(choice.url) === name || choice.name === name) ?? null;
}

/** `heroku/x` when a URL means one of Heroku's own buildpacks. */
function heroku(url: string): string | null {
  if (url.startsWith(BUILDPACK_URN)) return url.slice(BUILDPACK_URN.length);
  if (/^heroku\/[a-z-]+$/.test(url)) return url;
  const [, fromArchive] = /\/buildpacks\/(heroku\/[a-z-]+)\.tgz$/.exec(url) ?? [];
  const [, fromRepository] = /github\.com\/heroku\/heroku-buildpack-([a-z-]+?)(\.git)?(#.*)?$/.exec(url) ?? [];
  if (fromArchive !== undefined) return fromArchive;
  // Only those that we have: the others are buildpacks of somebody else like any.
  const name = `heroku/${fromRepository}`;
  return OWN_BUILDPACKS.some((own) => own.name === name) ? name : null;
}
