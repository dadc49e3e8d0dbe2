import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { SandboxCommand } from "./ports.ts";
import type { Workspace } from "./workspace.ts";

/** Programs of the platform that builds use. */
export interface BuildTools {
  /** The uv program; null: this machine has none. */
  uv: string | null;
  /** Folder of a `node` program, and of the npm package: what Node builds begin with. */
  node: string;
  npm: string;
}

/** This process's own Node, and the npm that comes with the platform. */
export function ownNode(): { node: string; npm: string } {
  const npm = fileURLToPath(import.meta.resolve("npm/package.json"));
  return { node: dirname(process.execPath), npm: dirname(npm) };
}

/** Folders of this room that builds see. */
export const OWN_FOLDERS = {
  driver: fileURLToPath(new URL("./driver", import.meta.url)),
  buildpacks: fileURLToPath(new URL("../buildpacks", import.meta.url)),
};

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

/** How a build sees its folders: the names that the command gets, and what is mounted for them. */
export interface Layout {
  build: string;
  cache: string;
  env: string;
  result: string;
  copies: string;
  driver: string;
  buildpacks: string;
  /** Names under which the build may mean its build folder. */
  buildNames: string[];
  home: string;
  /** Of a third-party buildpack, by its place in the list. */
  fetched: (index: number) => string;
  mounts: SandboxCommand["mounts"];
  /** What the tools inside need to know. */
  toolEnv: Record<string, string>;
}

/**
 * In a sandbox that has its own root the names are Heroku's (`/tmp/build_…`, `/app`); in one that has not, they are the host's, and
 * nothing is mounted.
 */
export function layOut(
  workspace: Workspace,
  isolated: boolean,
  tools: BuildTools,
  caBundle: string | null,
  fetched: readonly string[],
): Layout {
  const uvFolder = tools.uv === null ? null : dirname(tools.uv);
  if (!isolated) {
    const { build, cache, env, result, copies } = workspace;
    const certificates = caBundle ?? (existsSync(CERTIFICATES) ? CERTIFICATES : null);
    return {
      build,
      cache,
      env,
      result,
      copies,
      driver: OWN_FOLDERS.driver,
      buildpacks: OWN_FOLDERS.buildpacks,
      buildNames: [build],
      home: build,
      fetched: (index) => fetched[index] ?? "",
      mounts: [],
      toolEnv: { ...toolEnvironment(tools.uv, tools.node, tools.npm, certificates), TMPDIR: workspace.tmp },
    };
  }
  const inTmp = (path: string): string => `/tmp${path.slice(workspace.tmp.length)}`;
  const opt = "/opt/zarpa";
  const build = inTmp(workspace.build);
  const mounts: Layout["mounts"] = [
    { host: workspace.tmp, inside: "/tmp", writable: true },
    { host: workspace.build, inside: "/app", writable: true },
    { host: OWN_FOLDERS.driver, inside: `${opt}/driver`, writable: false },
    { host: OWN_FOLDERS.buildpacks, inside: `${opt}/buildpacks`, writable: false },
    { host: tools.node, inside: `${opt}/node`, writable: false },
    { host: tools.npm, inside: `${opt}/npm`, writable: false },
  ];
  if (uvFolder !== null) mounts.push({ host: uvFolder, inside: `${opt}/uv`, writable: false });
  if (caBundle !== null) mounts.push({ host: caBundle, inside: CERTIFICATES, writable: false });
  for (const [index, host] of fetched.entries()) mounts.push({ host, inside: `${opt}/fetched/${index}`, writable: false });
  return {
    build,
    cache: inTmp(workspace.cache),
    env: inTmp(workspace.env),
    result: inTmp(workspace.result),
    copies: inTmp(workspace.copies),
    driver: `${opt}/driver`,
    buildpacks: `${opt}/buildpacks`,
    buildNames: [build, "/app"],
    home: "/app",
    fetched: (index) => `${opt}/fetched/${index}`,
    mounts,
    toolEnv: toolEnvironment(tools.uv === null ? null : `${opt}/uv/uv`, `${opt}/node`, `${opt}/npm`, CERTIFICATES),
  };
}

function toolEnvironment(uv: string | null, node: string, npm: string, certificates: string | null): Record<string, string> {
  const env: Record<string, string> = { ZARPA_NODE: node, ZARPA_NPM: npm };
  if (uv !== null) env["ZARPA_UV"] = uv;
  if (certificates === null) return env;
  for (const name of ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"]) {
    env[name] = certificates;
  }
  // In addition to Node's own list; the others replace theirs.
  env["NODE_EXTRA_CA_CERTS"] = certificates;
  return env;
}
