import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { devPaths } from "./plan.ts";

const [folder = ""] = process.argv.slice(2);
const installed = join(folder, ".package-lock.json");
const bin = join(folder, ".bin");
if (existsSync(installed)) {
  const links = existsSync(bin) ? readdirSync(bin, { withFileTypes: true }).filter((entry) => entry.isSymbolicLink()) : [];
  const commands = links.map((entry) => entry.name);
  const paths = devPaths(readFileSync(installed, "utf8"), (command) => readlinkSync(join(bin, command)), commands);
  process.stdout.write(paths.map((path) => `${path}\n`).join(""));
}
