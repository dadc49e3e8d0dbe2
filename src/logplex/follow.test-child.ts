import { streamJournal } from "../kernel/journal.ts";
import { systemClock } from "../kernel/clock.ts";
import { Logplex } from "./logplex.ts";

// A control plane that follows one output until it is killed: `node follow.test-child.ts FOLDER APP_ID OUTPUT`.
const [folder, appId, path] = process.argv.slice(2);
if (folder === undefined || appId === undefined || path === undefined) throw new Error("usage: FOLDER APP_ID OUTPUT");
const journal = streamJournal(process.stderr, () => new Date());
const logplex = new Logplex({ folder, clock: systemClock, journal });
let lines = 0;
const onLine = (): void => {
  lines += 1;
  if (lines % 1_000 === 0) process.stdout.write("1000\n");
};
logplex.follow({ dynoId: "d", appId, process: "web.1", path, format: "plain", onLine });
await systemClock.sleep(60_000);
