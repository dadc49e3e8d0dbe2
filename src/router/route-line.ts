/** What the router knows of one app; the runtime's `AppRoute` has this form. */
export interface Route {
  app: { id: string; name: string };
  hosts: string[];
  state: "up" | "booting" | "crashed" | "none" | "maintenance" | "blank" | "asleep" | "exhausted";
  backends: { dyno: string; address: string; port: number }[];
  /** Of an app asleep whose dynos are frozen: the control groups' files that thaw them, web dynos or not. */
  thaw?: string[];
}

const HOST = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;
const APP_ID = /^[A-Za-z0-9-]+$/;
const APP_NAME = /^[a-z0-9-]+$/;
const DYNO = /^[A-Za-z0-9_-]+\.\d+$/;
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/;
const THAW_FILE = /^\/[A-Za-z0-9._/-]+\/(freezer\.state|cgroup\.freeze)$/;
const HIGHEST_PORT = 65_535;

/**
 * One app of the route table as a line of text: what goes over the feed, lies in nginx's shared dictionary and is written to the
 * snapshot. `problems` names what was left out because it cannot be routed (a host with impossible characters, …); a line is never
 * able to say something else than its route.
 */
export function routeLine(route: Route): { line: string; problems: string[] } {
  const problems: string[] = [];
  const keep = <T>(values: T[], valid: (value: T) => boolean, word: string): T[] =>
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
      DYNO.test(dyno) && ADDRESS.test(address) && Number.isInteger(port) && port > 0 && port <= HIGHEST_PORT,
    "backend",
  );
  const targets = backends.map(({ dyno, address, port }) => `${dyno}@${address}:${port}`);
  const thaw = keep(route.thaw ?? [], (file) => THAW_FILE.test(file), "file");
  const line = `id=${route.app.id} name=${route.app.name} state=${route.state} hosts=${[...new Set(hosts)].join(",")} backends=${targets.join(",")}${thaw.length === 0 ? "" : ` thaw=${thaw.join(",")}`}`;
  return { line, problems };
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
