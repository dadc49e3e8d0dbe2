// `npm stop`: ends the control plane and everything that outlives it.
import module from "node:module";
import { join } from "node:path";

module.enableCompileCache(join(import.meta.dirname, "..", ".cache", "compile"));
const { stop } = await import("./setup/stop.ts");
await stop();
