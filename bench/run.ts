// `npm run bench`: what must be fast, each figure beside the same work without the platform, or beside its limit. Arguments: names of
// benches; without any, all. Exit code 1 when a limit is exceeded.
import { availableParallelism, loadavg } from "node:os";
import { benchNeeds, canInstall, commonNeeds, containerNeeds } from "../bin/setup/packages.ts";
import { installCommand, installPackages, missingPackages } from "../bin/setup/packages.ts";
import { benchDeploy } from "./deploy.ts";
import { benchDeploys } from "./deploys.ts";
import { benchDynoStart } from "./dyno-start.ts";
import { type Figure, isOver, type Report, table } from "./figure.ts";
import { benchLogs } from "./logs.ts";
import { benchMemory } from "./memory.ts";
import { benchRouter } from "./router.ts";
import { benchStart } from "./start.ts";
import { benchWake } from "./wake.ts";
import { prepareWorkPlace, type WorkPlace } from "./work-place.ts";

const BENCHES: Record<string, (place: WorkPlace) => Promise<Report>> = {
  start: benchStart,
  "dyno-start": benchDynoStart,
  deploy: benchDeploy,
  deploys: benchDeploys,
  router: benchRouter,
  logs: benchLogs,
  memory: benchMemory,
  wake: benchWake,
};

const say = (text: string): void => void process.stderr.write(`${text}\n`);

process.umask(0o022);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  say(`There is no bench ${unknown.join(", ")}. There are: ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
const missing = missingPackages([...commonNeeds({ privateDatabase: true, uv: true }), ...containerNeeds(), ...benchNeeds()]);
if (missing.length > 0 && !canInstall()) {
  say(`The benches need root and these packages: ${installCommand(missing)}`);
  process.exit(2);
}
if (missing.length > 0) {
  say(`Installing ${missing.join(", ")} …`);
  await installPackages(missing, () => {});
}
const place = await prepareWorkPlace(say);
const figures: Figure[] = [];
const notes: string[] = [`load before: ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} processors`];
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  say(`${name} …`);
  const report = await bench(place);
  figures.push(...report.figures);
  notes.push(...report.notes);
}
process.stdout.write(`${table(figures)}\n${notes.map((note) => `${note}\n`).join("")}`);
process.exit(figures.some(isOver) ? 1 : 0);
