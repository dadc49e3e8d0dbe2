// Before anything else: the npm packages, Node 26 among them. Plain JavaScript without dependencies, because it runs on whatever Node
// the machine has (20 or later) and on a fresh clone. Says nothing and costs a few milliseconds when everything is there.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 20;
const WANTED_NODE = 26;
const LOCK_WAIT_MS = 600_000;
const LOCK_POLL_MS = 200;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stamp = join(modules, ".zarpa-installed");
const node26 = join(modules, ".bin", "node");
const spanish = /^es/i.test(process.env.LC_ALL || process.env.LC_MESSAGES || process.env.LANG || "");

const say = (english, castellano) => process.stderr.write(`${spanish ? castellano : english}\n`);

function fail(english, castellano) {
  say(english, castellano);
  process.exit(1);
}

const lockText = () => readFileSync(join(root, "package-lock.json"));
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
const majorOf = (version) => Number(/^v?(\d+)\./.exec(version)?.[1] ?? 0);

/** Whether scripts that say `node` get version 26: from npm's folder, or because the machine's own is that new. */
const hasNode26 = () => existsSync(node26) || majorOf(process.version) >= WANTED_NODE;

function isUpToDate() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === digest(lockText()) && hasNode26();
}

/** npm's own record of what it installed: an `npm install` by hand must not be done over again. */
function matchesRecord() {
  const record = join(modules, ".package-lock.json");
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, "utf8")).packages ?? {};
  const wanted = JSON.parse(lockText().toString("utf8")).packages ?? {};
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = installed[path];
    return found === undefined ? entry.optional === true : found.version === entry.version && found.integrity === entry.integrity;
  });
}

function run(argv, options) {
  const { status, error } = spawnSync(argv[0], argv.slice(1), { stdio: "inherit", ...options });
  return error === undefined && status === 0;
}

function install() {
  const quiet = process.stderr.isTTY ? [] : ["--no-progress", "--loglevel=error"];
  say("Installing the npm packages (about half a minute) …", "Instalando los paquetes de npm (cerca de medio minuto) …");
  // Under npm, the same npm; `include` because a machine with NODE_ENV=production would leave Node 26 out.
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ["npm"];
  // `npm ci` begins by deleting: never under a platform that runs.
  const how = existsSync(modules) ? ["install", "--no-save"] : ["ci"];
  const argv = [...npm, ...how, "--include=dev", "--no-audit", "--no-fund", ...quiet];
  if (!run(argv, { cwd: root, stdio: ["ignore", 2, 2] })) {
    fail(
      `The npm packages could not be installed. The cause stands above; after it is mended, run the same command again.`,
      `No se pudieron instalar los paquetes de npm. La causa está arriba; una vez corregida, ejecute el mismo comando otra vez.`,
    );
  }
}

/** What Node 26 itself is linked with and a small Debian lacks. */
const LIBRARY_PACKAGES = { "libatomic.so.1": "libatomic1", "libstdc++.so.6": "libstdc++6" };

/** `"works"`, `"absent"`, or the name of the shared library without which it does not run. */
function stateOfNode26() {
  if (!existsSync(node26)) return "absent";
  const { stdout, stderr } = spawnSync(node26, ["--version"], { encoding: "utf8" });
  if (majorOf(stdout ?? "") >= WANTED_NODE) return "works";
  return /loading shared libraries: ([^:]+):/.exec(stderr ?? "")?.[1] ?? "absent";
}

/** The package `node` fetches its binary in an install script, which npm may hold back; then the script is run here. */
function ensureNode26() {
  if (stateOfNode26() === "absent") {
    const folder = join(modules, "node");
    if (existsSync(folder)) run([process.execPath, "installArchSpecificPackage"], { cwd: folder, stdio: ["ignore", 2, 2] });
  }
  const state = stateOfNode26();
  if (state === "works" || (state === "absent" && majorOf(process.version) >= WANTED_NODE)) return;
  if (state !== "absent") return ensureLibrary(state);
  fail(
    `Node ${WANTED_NODE} did not arrive with the npm package "node". Run  npm rebuild node --ignore-scripts=false  in ${root}, or install Node ${WANTED_NODE} on this machine.`,
    `Node ${WANTED_NODE} no llegó con el paquete de npm «node». Ejecute  npm rebuild node --ignore-scripts=false  en ${root}, o instale Node ${WANTED_NODE} en esta máquina.`,
  );
}

function ensureLibrary(library) {
  const name = LIBRARY_PACKAGES[library] ?? library;
  if (process.getuid?.() === 0 && name !== library) {
    say(`Installing ${name}, which Node ${WANTED_NODE} needs …`, `Instalando ${name}, que Node ${WANTED_NODE} necesita …`);
    const options = { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
    const apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"];
    run([...apt, "update"], options);
    run([...apt, "install", "-y", "--no-install-recommends", name], options);
    if (stateOfNode26() === "works") return;
  }
  fail(
    `Node ${WANTED_NODE} needs the library ${library}. Run this as root, then start again:  apt-get install -y ${name}`,
    `Node ${WANTED_NODE} necesita la biblioteca ${library}. Ejecute esto como root y arranque otra vez:  apt-get install -y ${name}`,
  );
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
};

/** Two starts at once must not install over each other: the second one waits for the first. */
function withLock(action) {
  const lock = join(root, ".cache", "installing");
  mkdirSync(dirname(lock), { recursive: true });
  const owner = join(lock, "pid");
  for (let waited = 0; ; waited += LOCK_POLL_MS) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      const pid = existsSync(owner) ? Number(readFileSync(owner, "utf8")) : 0;
      if ((pid > 0 && !isAlive(pid)) || waited > LOCK_WAIT_MS) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
    }
  }
  try {
    writeFileSync(owner, String(process.pid));
    action();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

if (majorOf(process.version) < OLDEST_NODE) {
  fail(
    `Zarpa needs Node ${OLDEST_NODE} or later to begin with; this is ${process.version}.`,
    `Zarpa necesita Node ${OLDEST_NODE} o posterior para empezar; este es ${process.version}.`,
  );
}
if (!isUpToDate()) {
  withLock(() => {
    if (isUpToDate()) return;
    if (!matchesRecord()) install();
    ensureNode26();
    mkdirSync(modules, { recursive: true });
    writeFileSync(stamp, digest(lockText()));
  });
}
