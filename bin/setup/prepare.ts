import { randomBytes, randomInt } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { ensureStack } from "../../src/builder/stack.ts";
import type { Messages } from "../../src/cli/messages.ts";
import { ensureAuthority } from "../../src/kernel/authority.ts";
import { startCluster } from "../../src/kernel/cluster.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import type { Journal } from "../../src/kernel/journal.ts";
import type { Paths } from "../../src/kernel/paths.ts";
import { Secret } from "../../src/kernel/secret.ts";
import type { Settings } from "../../src/kernel/settings.ts";
import { type AdminCredentials, type Boot, type DriverChoice, SetupError, type Tools } from "./boot.ts";
import { privateCluster } from "./database.ts";
import { containerObstacle, kernelObstacle } from "./driver.ts";
import {
  canInstall,
  commonNeeds,
  containerNeeds,
  installCommand,
  installPackages,
  missingPackages,
  type Need,
} from "./packages.ts";
import { findHostBundle, proxies } from "./programs.ts";
import type { Progress } from "./progress.ts";
import { ensureUv, uvPath } from "./uv.ts";

/** The stacks that apps can be on: Heroku's name, so that buildpacks written for it know it. */
const STACKS = ["heroku-24"];
const VAULT_KEY_BYTES = 32;
/** Four groups of five from 31 letters and digits that nobody mistakes for each other: 99 bits. */
const PASSWORD_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";
const PASSWORD_GROUPS = 4;
const PASSWORD_GROUP_LENGTH = 5;

export interface Preparation {
  version: string;
  settings: Settings;
  paths: Paths;
  messages: Messages;
  progress: Progress;
  journal: Journal;
  clock: Clock;
}

/** Brings about everything that the control plane needs, and skips what is there. Throws a `SetupError` that says what to do. */
export async function prepare(preparation: Preparation): Promise<Boot> {
  const { settings, paths, messages, progress, clock } = preparation;
  const obstacle = settings.driver === "process" ? "ZARPA_DRIVER says so" : await kernelObstacle(paths.home);
  if (settings.driver === "oci" && obstacle !== null) throw new SetupError(`ZARPA_DRIVER is oci, but ${obstacle}.`);
  const needs = [
    ...commonNeeds({ privateDatabase: settings.databaseUrl === null, uv: !existsSync(uvPath(paths.tools)) }),
    ...(obstacle === null ? containerNeeds() : []),
  ];
  await provide(needs, preparation);
  const hostBundle = findHostBundle();
  const { domain } = settings;
  const names = [...new Set(["localhost", "*.localhost", domain, `*.${domain}`]), "127.0.0.1", "::1"];
  const [{ driver, stacks }, tools, databaseUrl, authority] = await Promise.all([
    chooseDriver(obstacle, hostBundle, preparation),
    provideTools(preparation),
    settings.databaseUrl?.reveal() ?? progress.step(messages.database, async () => await startDatabase(paths)),
    ensureAuthority({ folder: paths.authority, names, hostBundle, clock }),
  ]);
  if (driver.name === "process") warnOf(driver, preparation);
  return {
    ...preparation,
    databaseUrl,
    driver,
    stacks,
    tools,
    authority,
    vaultKey: vaultKey(paths.vaultKey),
    admin: adminCredentials(settings),
    hostBundle,
  };
}

/** Installs what is missing; where that cannot be, says in one line what to install, and goes on unless nothing can run without it. */
async function provide(needs: readonly Need[], { messages, progress }: Preparation): Promise<void> {
  const missing = missingPackages(needs);
  if (missing.length === 0) return;
  const names = missing.join(", ");
  if (!canInstall()) {
    progress.say(messages.missingPackages(installCommand(missing)));
    return;
  }
  try {
    await progress.step(messages.systemPackages(names), async (report) => await installPackages(missing, report));
  } catch (error) {
    progress.say(messages.packagesFailed(names, (error as Error).message));
  }
}

interface Housing {
  driver: DriverChoice;
  stacks: Map<string, string | null>;
}

/** Containers when everything for them works, tried with a real one; else plain processes. */
async function chooseDriver(obstacle: string | null, hostBundle: string | null, preparation: Preparation): Promise<Housing> {
  const { settings, paths, messages, progress } = preparation;
  const processes = (reason: string): Housing => {
    if (settings.driver === "oci") throw new SetupError(`ZARPA_DRIVER is oci, but ${reason}.`);
    return { driver: { name: "process", reason }, stacks: new Map(STACKS.map((name) => [name, null])) };
  };
  if (obstacle !== null) return processes(obstacle);
  const missing = missingPackages(containerNeeds());
  if (missing.length > 0) return processes(`containers need the packages ${missing.join(", ")}`);
  const stacks = new Map<string, string>();
  for (const name of STACKS) {
    try {
      const root = await progress.step(
        messages.stack,
        async (report) =>
          await ensureStack({ name, stacksFolder: paths.stacks, caBundle: hostBundle, proxies: proxies(), onProgress: report }),
      );
      stacks.set(name, root);
      const failure = await containerObstacle(paths.home, root);
      if (failure !== null) return processes(failure);
    } catch (error) {
      if (error instanceof SetupError) throw error;
      preparation.journal.fault("the stack could not be built", error, { stack: name });
      return processes(`the stack ${name} could not be built (${lastLine((error as Error).message)})`);
    }
  }
  return { driver: { name: "oci", reason: "containers work on this machine" }, stacks };
}

function warnOf(driver: DriverChoice, { messages, progress }: Preparation): void {
  progress.say(messages.processDriver(driver.reason));
  for (const line of messages.notIsolated) progress.say(`  - ${line}`);
}

/** Without uv everything but Python builds works: a warning, and the next start tries again. */
async function provideTools({ paths, messages, progress, journal }: Preparation): Promise<Tools> {
  try {
    return { uv: await progress.step(messages.uv, async () => await ensureUv(paths.tools)) };
  } catch (error) {
    journal.fault("uv could not be installed", error);
    progress.say(messages.uvMissing((error as Error).message));
    return { uv: null };
  }
}

async function startDatabase(paths: Paths): Promise<string> {
  const { url } = await startCluster(privateCluster(paths));
  return url;
}

/** The key that seals config vars; made once, and never replaced: without it they are lost. */
function vaultKey(path: string): Buffer {
  if (!existsSync(path)) {
    const half = `${path}.new`;
    writeFileSync(half, randomBytes(VAULT_KEY_BYTES), { mode: 0o600, flush: true });
    renameSync(half, path);
  }
  return readFileSync(path);
}

function adminCredentials(settings: Settings): AdminCredentials {
  const { adminEmail: email, adminPassword } = settings;
  if (adminPassword !== null) return { email, password: adminPassword, isChosen: true };
  const letter = (): string => PASSWORD_LETTERS.charAt(randomInt(PASSWORD_LETTERS.length));
  const group = (): string => Array.from({ length: PASSWORD_GROUP_LENGTH }, letter).join("");
  return { email, password: new Secret(Array.from({ length: PASSWORD_GROUPS }, group).join("-")), isChosen: false };
}

/** Makes the folder of all data and the one of sockets; everybody may pass through them, their contents keep their own rights. */
export function prepareHome(paths: Paths): void {
  for (const folder of [paths.home, paths.run]) {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    chmodSync(folder, 0o755);
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
