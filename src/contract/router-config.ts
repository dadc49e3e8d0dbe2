/** Config vars by which an app tells the router what it wishes. */
export interface RouterConfig {
  errorPage?: string;
  maintenancePage?: string;
  balance?: "least-connections";
  protocol?: "uwsgi" | "h2c";
  /** Paths of URLs, with a slash at both ends, and folders relative to the app's own. */
  folders: { prefix: string; folder: string }[];
}

const PAGE = /^https?:\/\/[!-~]+$/;
const PREFIX = /^\/[A-Za-z0-9._~/-]*$/;
/** No hidden name, none that leads up. */
const FOLDER = /^(?!.*(^|\/)\.)[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*\/?$/;
const MAX_PAGE_LENGTH = 2000;

/** What the config vars say, and every value that cannot be understood, in a sentence that says what to write instead. */
export function readRouterConfig(config: Record<string, string>): { wishes: RouterConfig; problems: string[] } {
  const problems: string[] = [];
  const wishes: RouterConfig = { folders: [] };
  const page = (name: string): string | undefined => {
    const value = config[name];
    if (value === undefined || value === "") return undefined;
    if (PAGE.test(value) && value.length <= MAX_PAGE_LENGTH && URL.canParse(value)) return value;
    problems.push(`${name} must be an address that begins with http:// or https://.`);
    return undefined;
  };
  const word = <T extends string>(name: string, words: readonly T[]): T | undefined => {
    const value = config[name];
    if (value === undefined || value === "") return undefined;
    const known = words.find((each) => each === value);
    if (known === undefined) problems.push(`${name} is "${value}": it must be ${words.join(" or ")}.`);
    return known;
  };
  const errorPage = page("ERROR_PAGE_URL");
  const maintenancePage = page("MAINTENANCE_PAGE_URL");
  const balance = word("ZARPA_ROUTER_BALANCE", ["random", "least-connections"]);
  const protocol = word("ZARPA_ROUTER_PROTOCOL", ["http", "uwsgi", "h2c"]);
  if (errorPage !== undefined) wishes.errorPage = errorPage;
  if (maintenancePage !== undefined) wishes.maintenancePage = maintenancePage;
  if (balance === "least-connections") wishes.balance = balance;
  if (protocol === "uwsgi" || protocol === "h2c") wishes.protocol = protocol;
  for (const part of (config["ZARPA_ROUTER_STATIC"] ?? "").split(",").filter((text) => text.trim() !== "")) {
    const [path = "", folder = ""] = part.trim().split("=");
    if (PREFIX.test(path) && FOLDER.test(folder)) {
      wishes.folders.push({ prefix: `${path.replace(/\/+$/, "")}/`, folder: folder.replace(/\/$/, "") });
    } else {
      problems.push(
        `ZARPA_ROUTER_STATIC has "${part.trim()}": write /path=folder, with a folder of the app that is not hidden, as in /static=staticfiles.`,
      );
    }
  }
  return { wishes, problems };
}
