import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandResult, runCommand } from "../../src/kernel/command.ts";
import { findProgram, helperEnvironment } from "./programs.ts";
import type { Report } from "./progress.ts";

/** A package of Debian and Ubuntu, and how to see that what it brings is there (from whatever source). */
export interface Need {
  package: string;
  isMet: () => boolean;
}

const program = (name: string, packageName = name): Need => ({ package: packageName, isMet: () => findProgram(name) !== null });

const file = (packageName: string, ...candidates: string[]): Need => ({
  package: packageName,
  isMet: () => candidates.some((path) => existsSync(path)),
});

const NGINX_MODULES = ["/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules"];
const POSTGRES = "/usr/lib/postgresql";

/** Every installation needs these. */
export function commonNeeds(options: { privateDatabase: boolean; uv: boolean }): Need[] {
  const needs = [
    program("git"),
    program("nginx"),
    program("perl", "perl-base"),
    file("libnginx-mod-http-lua", ...NGINX_MODULES.map((folder) => join(folder, "ngx_http_lua_module.so"))),
    file("lua-resty-core", "/usr/share/lua/5.1/resty/core.lua"),
    file("ca-certificates", "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"),
  ];
  if (options.privateDatabase) needs.push({ package: "postgresql", isMet: hasPostgres });
  // uv comes through pip, which on Debian comes with venv.
  if (options.uv) needs.push({ package: "python3-venv", isMet: hasPip });
  return needs;
}

/** Containers need these too. */
export function containerNeeds(): Need[] {
  return [
    program("runc"),
    program("conmon"),
    program("mmdebstrap"),
    program("nft", "nftables"),
    program("ip", "iproute2"),
    program("mkfs.ext4", "e2fsprogs"),
    file(
      "debian-archive-keyring",
      "/usr/share/keyrings/debian-archive-keyring.gpg",
      "/usr/share/keyrings/debian-archive-keyring.pgp",
    ),
  ];
}

/** The browser of the acceptance tests. */
export function testNeeds(): Need[] {
  return [{ package: "chromium", isMet: () => findProgram("chromium") !== null || findProgram("google-chrome") !== null }];
}

/** What the benchmarks measure with. */
export function benchNeeds(): Need[] {
  return [program("wrk"), program("supervisord", "supervisor")];
}

/** Names of the packages whose needs are not met. */
export function missingPackages(needs: readonly Need[]): string[] {
  return needs.filter((need) => !need.isMet()).map((need) => need.package);
}

/** Whether this process may install packages here. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && findProgram("apt-get") !== null;
}

/** What to type where `canInstall` says no. */
export function installCommand(packages: readonly string[]): string {
  return `apt-get update && apt-get install --no-install-recommends -y ${packages.join(" ")}`;
}

/**
 * Installs packages by apt, without the services that come with some of them: no PostgreSQL cluster is made, and an nginx that was not
 * there before does not keep port 80. Services that existed before are not touched. Throws when something is still missing afterwards.
 */
export async function installPackages(packages: readonly string[], report: Report): Promise<void> {
  const hadNginx = findProgram("nginx") !== null;
  report("apt-get update");
  const update = await apt(["update"], report);
  const allowCluster = forbidCluster();
  let install: CommandResult;
  try {
    install = await apt(["install", "-y", "--no-install-recommends", "-o", "APT::Status-Fd=1", ...packages], report);
  } finally {
    allowCluster();
  }
  if (install.exitCode !== 0) {
    const errors = `${update.stderr}\n${install.stderr}`.split("\n").filter((line) => line.startsWith("E:"));
    throw new Error(errors.join(" ") || install.stderr.trim().slice(-500) || `apt-get exited with status ${install.exitCode}`);
  }
  if (!hadNginx && packages.includes("nginx")) await stopPackagedNginx();
}

async function apt(argv: string[], report: Report): Promise<CommandResult> {
  // Cloud images update themselves in their first minutes: wait for that instead of failing.
  const options = ["-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"];
  const env = {
    ...helperEnvironment(),
    DEBIAN_FRONTEND: "noninteractive",
    NEEDRESTART_SUSPEND: "1",
    APT_LISTCHANGES_FRONTEND: "none",
  };
  const onStdout = (chunk: Buffer): void => {
    for (const line of chunk.toString("utf8").split("\n")) tellStatus(line, report);
  };
  return await runCommand(["apt-get", ...options, ...argv], { env, onStdout });
}

/** Lines of `APT::Status-Fd`: `dlstatus:3:12.5:Retrieving file 3 of 20`, `pmstatus:nginx:40.0:Installing nginx (amd64)`. */
export function tellStatus(line: string, report: Report): void {
  const [, kind, percent, text] = /^(dlstatus|pmstatus):[^:]*:([\d.]+):(.*)$/.exec(line) ?? [];
  // Downloading counts for the first third.
  if (percent !== undefined) report(text ?? "", kind === "dlstatus" ? Number(percent) / 300 : (100 + 2 * Number(percent)) / 300);
}

/** Until the returned function is called, installing PostgreSQL makes no cluster of its own; nothing where it was installed already. */
function forbidCluster(): () => void {
  const folder = "/etc/postgresql-common/createcluster.d";
  const setting = join(folder, "zarpa.conf");
  if (existsSync("/usr/bin/pg_createcluster")) return () => {};
  mkdirSync(folder, { recursive: true });
  writeFileSync(setting, "create_main_cluster = false\n");
  return () => rmSync(setting, { force: true });
}

/** The nginx service that our own installation has just brought and started. */
async function stopPackagedNginx(): Promise<void> {
  const env = helperEnvironment();
  if (existsSync("/run/systemd/system")) await runCommand(["systemctl", "disable", "--now", "nginx.service"], { env });
  if (!existsSync("/run/nginx.pid")) return;
  const pid = Number(readFileSync("/run/nginx.pid", "utf8"));
  if (pid > 1 && existsSync(`/proc/${pid}`)) process.kill(pid, "SIGTERM");
}

function hasPostgres(): boolean {
  return existsSync(POSTGRES) && readdirSync(POSTGRES).some((version) => existsSync(join(POSTGRES, version, "bin", "initdb")));
}

function hasPip(): boolean {
  const pythons = existsSync("/usr/lib") ? readdirSync("/usr/lib").filter((name) => name.startsWith("python3")) : [];
  const modules = pythons.flatMap((name) => [
    join("/usr/lib", name, "ensurepip"),
    join("/usr/lib", name, "dist-packages", "pip"),
  ]);
  return modules.some((path) => existsSync(path)) || findProgram("pip3") !== null || findProgram("pip") !== null;
}
