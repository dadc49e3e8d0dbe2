/** What the router knows of one app; the runtime's `AppRoute` has this form. */
export interface Route {
  app: { id: string; name: string };
  hosts: string[];
  state: "up" | "booting" | "crashed" | "none" | "maintenance" | "blank" | "asleep" | "exhausted";
  backends: { dyno: string; address: string; port: number }[];
  /** Of an app asleep whose dynos are frozen: the control groups' files that thaw them, web dynos or not. */
  thaw?: string[];
  options?: RouteOptions;
}

/** How the router is to treat an app beyond the usual. */
export interface RouteOptions {
  /** Requests of one browser go to the same dyno. */
  affinity?: boolean;
  /** Left out: random. */
  balance?: "least-connections";
  /** What the dynos speak; left out: HTTP/1.1. */
  protocol?: "uwsgi" | "h2c";
  /** Addresses of the app's own pages. */
  errorPage?: string;
  maintenancePage?: string;
  /** Folders of the slug served under a path. `root`: the slug's `app` folder; folders are relative to it. */
  files?: { root: string; folders: { prefix: string; folder: string }[] };
}

const HOST = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;
const APP_ID = /^[A-Za-z0-9-]+$/;
const APP_NAME = /^[a-z0-9-]+$/;
const DYNO = /^[A-Za-z0-9_-]+\.\d+$/;
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\]|unix:\/[A-Za-z0-9._/-]+)$/;
const FOLDER = /^\/[A-Za-z0-9._/-]+$/;
const RELATIVE = /^(?!.*(^|\/)\.)[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;
const PREFIX = /^\/([A-Za-z0-9._~-]+\/)*$/;
const PAGE = /^https?:\/\/[!-~]+$/;
const THAW_FILE = /^\/[A-Za-z0-9._/-]+\/(freezer\.state|cgroup\.freeze)$/;
const HIGHEST_PORT = 65_535;

/**
 * One app of the route table as a line of text: what goes over the feed, lies in nginx's shared dictionary and is written to the
 * snapshot. `problems` names what was left out because it cannot be routed (a host with impossible characters, …); a line is never
 * able to say something else than its route.
 */
export function routeLine(route: Route): { line: string; problems: string[] } {
  const problems: string[] = [];
  const keep: Keep = (values, valid, word) =>
    values.filter((value) => {
      if (valid(value)) return true;
      problems.push(`${word} ${JSON.stringify(value)}`);
      return false;
    });
  if (!APP_ID.test(route.app.id) || !APP_NAME.test(route.app.name)) {
    throw new Error(`no route can be made for the app ${JSON.stringify(route.app)}`);
  }
  const hosts = keep(
    route.hosts.map((host) => host.toLowerCase()),
    (host) => HOST.test(host),
    "host",
  );
  const backends = keep(
    route.backends,
    ({ dyno, address, port }) =>
      DYNO.test(dyno) &&
      ADDRESS.test(address) &&
      Number.isInteger(port) &&
      port >= (address.startsWith("unix:") ? 0 : 1) &&
      port <= HIGHEST_PORT,
    "backend",
  );
  const targets = backends.map(({ dyno, address, port }) => `${dyno}@${address}:${port}`);
  const thaw = keep(route.thaw ?? [], (file) => THAW_FILE.test(file), "file");
  const members = [
    `id=${route.app.id} name=${route.app.name} state=${route.state} hosts=${[...new Set(hosts)].join(",")} backends=${targets.join(",")}`,
    thaw.length === 0 ? "" : `thaw=${thaw.join(",")}`,
    ...optionMembers(route.options ?? {}, keep),
  ];
  return { line: members.filter((member) => member !== "").join(" "), problems };
}

type Keep = <T>(values: T[], valid: (value: T) => boolean, word: string) => T[];

function optionMembers(options: RouteOptions, keep: Keep): string[] {
  const page = (name: string, value: string | undefined): string[] =>
    keep(value === undefined ? [] : [value], (url) => PAGE.test(url), "page").map((url) => `${name}=${url}`);
  const { affinity, balance, protocol, files } = options;
  const folders = keep(
    files?.folders ?? [],
    ({ prefix, folder }) => PREFIX.test(prefix) && RELATIVE.test(folder) && FOLDER.test(files?.root ?? ""),
    "folder",
  );
  return [
    affinity === true ? "affinity=1" : "",
    balance === undefined ? "" : `balance=${balance}`,
    protocol === undefined ? "" : `protocol=${protocol}`,
    ...page("error_page", options.errorPage),
    ...page("maintenance_page", options.maintenancePage),
    folders.length === 0
      ? ""
      : `slug=${files?.root} static=${folders.map(({ prefix, folder }) => `${prefix}:${folder}`).join(",")}`,
  ];
}

/** The line that takes an app out of the table. */
export function goneLine(appId: string): string {
  if (!APP_ID.test(appId)) throw new Error(`no app has the id ${JSON.stringify(appId)}`);
  return `id=${appId} state=gone hosts=`;
}

/** The app id of a line. */
export function appIdOf(line: string): string {
  return line.slice("id=".length, line.indexOf(" "));
}
