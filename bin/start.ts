// `npm start`: everything from a fresh clone's packages to a running platform. The parts are in bin/setup.
import module from "node:module";
import { join } from "node:path";

// Before the first import worth compiling: the second start reads what the first one compiled.
module.enableCompileCache(join(import.meta.dirname, "..", ".cache", "compile"));
process.umask(0o022);
const { start } = await import("./setup/start.ts");
await start();
