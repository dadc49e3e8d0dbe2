#!/usr/bin/env node
// The command `zarpa`. Plain JavaScript, because the machine's own Node runs it; one too old for TypeScript hands over to Node 26.
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FIRST_NODE_WITH_TYPES = 24;
const folder = dirname(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split(".")[0]) >= FIRST_NODE_WITH_TYPES) {
  // Compiled once, then read: a third of the time.
  module.enableCompileCache(join(folder, "..", ".cache", "compile"));
  const { zarpa } = await import("./setup/zarpa.ts");
  process.exitCode = await zarpa();
} else {
  const { spawnSync } = await import("node:child_process");
  const node26 = join(folder, "..", "node_modules", ".bin", "node");
  const { status, error } = spawnSync(node26, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  if (error !== undefined) process.stderr.write(`zarpa: ${node26} is missing. Run npm start in ${dirname(folder)} first.\n`);
  process.exitCode = status ?? 1;
}
