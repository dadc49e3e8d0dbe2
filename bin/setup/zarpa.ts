import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findInstance, type Instance } from "../../src/cli/instance.ts";
import { main } from "../../src/cli/main.ts";
import { pathsUnder } from "../../src/kernel/paths.ts";
import { readSettings, SettingsError } from "../../src/kernel/settings.ts";

/** Composes the command `zarpa` from the environment; resolves with the exit code. */
export async function zarpa(): Promise<number> {
  const { env } = process;
  try {
    const settings = readSettings(env, process.getuid?.() === 0);
    const version = packageVersion();
    const expected: Instance = {
      version,
      home: settings.home,
      port: settings.port,
      tls_port: settings.tlsPort,
      domain: settings.domain,
      bundle: join(pathsUnder(settings.home).authority, "bundle.crt"),
      driver: settings.driver ?? "oci",
      database: settings.databaseUrl === null ? "private" : "external",
    };
    // Somebody who is not root may well mean the platform that root has started.
    const homes = env["ZARPA_HOME"] ? [settings.home] : [settings.home, readSettings({}, true).home];
    return await main(process.argv.slice(2), {
      env,
      version,
      root: join(import.meta.dirname, "..", ".."),
      node: process.execPath,
      instance: findInstance(homes),
      expected,
      out: (text) => process.stdout.write(text),
      fail: (text) => process.stderr.write(text),
    });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.problems.join("\n")}\n`);
    return 2;
  }
}

/** Zarpa's own version, from package.json. */
export function packageVersion(): string {
  const file = join(import.meta.dirname, "..", "..", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
