/** Everything Zarpa says to the people who run it, in their language. What developers of apps see is Heroku's English. */
export interface Messages {
  // Setting up
  systemPackages: (names: string) => string;
  stack: string;
  uv: string;
  database: string;
  platform: string;
  missingPackages: (command: string) => string;
  cannotGoOn: (names: string) => string;
  packagesFailed: (names: string, cause: string) => string;
  uvMissing: (cause: string) => string;
  processDriver: (reason: string) => string;
  notIsolated: string[];
  homeNotWritable: (home: string, cause: string) => string;
  wrongSettings: string;
  failed: (cause: string) => string;
  done: (what: string, seconds: string) => string;
  // Running
  alreadyRunning: (pid: string) => string;
  ready: (seconds: string) => string;
  console: string;
  apps: string;
  login: string;
  password: string;
  passwordShownOnce: string;
  pointCli: string;
  seeStatus: string;
  stopping: string;
  stoppingHint: string;
  controlPlaneStopped: string;
  stopped: (what: string) => string;
  nothingRan: string;
  parts: { controlPlane: string; router: string; dynos: (count: number) => string; database: string };
  // The zarpa command
  usage: string;
  unknownCommand: (name: string) => string;
  neverStarted: string;
  runs: string;
  doesNotRun: string;
  external: string;
  status: { controlPlane: string; router: string; database: string; driver: string; apps: string; data: string };
  counts: (apps: number, dynos: number) => string;
  logInForCounts: string;
}

const english: Messages = {
  systemPackages: (names) => `System packages: ${names}`,
  stack: "Stack (Debian 13 for dynos and builds)",
  uv: "uv (for Python builds)",
  database: "PostgreSQL",
  platform: "Platform",
  missingPackages: (command) => `Something is missing on this machine. Run this as root, then start again:  ${command}`,
  cannotGoOn: (names) => `Zarpa cannot run without ${names}.`,
  packagesFailed: (names, cause) => `The system packages ${names} could not be installed: ${cause}`,
  uvMissing: (cause) =>
    `uv could not be installed, so Python apps cannot be built until the next start brings it: ${cause}. Install Python 3 with venv or pip (on Debian: python3-venv) and see that PyPI can be reached.`,
  processDriver: (reason) => `Dynos run as plain processes, because ${reason}. They are NOT isolated from each other:`,
  notIsolated: [
    "files: a dyno can read what its user can read on this machine",
    "network: all dynos share this machine's addresses and ports",
    "processes: dynos can see each other's command lines",
    "memory, CPU and process counts: the limits of dyno sizes hold only for root, and only where control groups can be made",
  ],
  homeNotWritable: (home, cause) => `The data folder ${home} cannot be used: ${cause}. Set ZARPA_HOME to a folder of yours.`,
  wrongSettings: "Nothing was started, because of these settings:",
  failed: (cause) => `Zarpa could not start: ${cause}`,
  done: (what, seconds) => `${what}: done in ${seconds} s`,
  alreadyRunning: (pid) => `Zarpa is already running (process ${pid}). See it with: npx zarpa status. Stop it with: npm stop`,
  ready: (seconds) => `Zarpa is ready after ${seconds} s.`,
  console: "Platform",
  apps: "Apps",
  login: "Login",
  password: "Password",
  passwordShownOnce: "shown only this once",
  pointCli: "Point the heroku command here",
  seeStatus: "See what runs",
  stopping: "Stopping everything …",
  stoppingHint: "Ctrl-C stops everything.",
  controlPlaneStopped:
    "The control plane has stopped. Router, dynos and database go on; npm start takes them over, npm stop ends them.",
  stopped: (what) => `Stopped: ${what}.`,
  nothingRan: "Nothing was running.",
  parts: {
    controlPlane: "control plane",
    router: "router",
    dynos: (count) => (count === 1 ? "1 dyno" : `${count} dynos`),
    database: "PostgreSQL",
  },
  usage: `Usage: zarpa COMMAND

  env       print the lines that point the heroku command here: eval "$(npx zarpa env)"
  status    say what runs; exit code 0 when the platform does
  service   print a systemd unit that starts Zarpa with the machine: npx zarpa service > /etc/systemd/system/zarpa.service
  version   print Zarpa's version
  help      print this
`,
  unknownCommand: (name) => `There is no command "${name}". See: npx zarpa help`,
  neverStarted: "Zarpa has not been started yet: npm start",
  runs: "running",
  doesNotRun: "not running",
  external: "your own (DATABASE_URL)",
  status: {
    controlPlane: "Control plane",
    router: "Router",
    database: "PostgreSQL",
    driver: "Driver",
    apps: "Apps",
    data: "Data",
  },
  counts: (apps, dynos) => `${apps} (${dynos} ${dynos === 1 ? "dyno" : "dynos"})`,
  logInForCounts: "log in with heroku login to see them",
};

const spanish: Messages = {
  systemPackages: (names) => `Paquetes del sistema: ${names}`,
  stack: "Stack (Debian 13 para dynos y builds)",
  uv: "uv (para builds de Python)",
  database: "PostgreSQL",
  platform: "Plataforma",
  missingPackages: (command) => `Falta algo en esta máquina. Ejecute esto como root y arranque otra vez:  ${command}`,
  cannotGoOn: (names) => `Zarpa no puede funcionar sin ${names}.`,
  packagesFailed: (names, cause) => `No se pudieron instalar los paquetes del sistema ${names}: ${cause}`,
  uvMissing: (cause) =>
    `No se pudo instalar uv; hasta que el próximo arranque lo traiga no se pueden construir apps de Python: ${cause}. Instale Python 3 con venv o pip (en Debian: python3-venv) y compruebe que se llega a PyPI.`,
  processDriver: (reason) => `Los dynos corren como procesos comunes, porque ${reason}. NO están aislados entre sí:`,
  notIsolated: [
    "archivos: un dyno puede leer lo que su usuario puede leer en esta máquina",
    "red: todos los dynos comparten las direcciones y los puertos de esta máquina",
    "procesos: los dynos ven las líneas de comandos de los demás",
    "memoria, CPU y cantidad de procesos: los límites de los tamaños de dyno rigen solo para root y solo donde se pueden crear grupos de control",
  ],
  homeNotWritable: (home, cause) =>
    `No se puede usar la carpeta de datos ${home}: ${cause}. Ponga en ZARPA_HOME una carpeta suya.`,
  wrongSettings: "No se inició nada, por estos ajustes:",
  failed: (cause) => `Zarpa no pudo arrancar: ${cause}`,
  done: (what, seconds) => `${what}: listo en ${seconds} s`,
  alreadyRunning: (pid) => `Zarpa ya está en marcha (proceso ${pid}). Para verlo: npx zarpa status. Para detenerlo: npm stop`,
  ready: (seconds) => `Zarpa está listo después de ${seconds} s.`,
  console: "Plataforma",
  apps: "Apps",
  login: "Usuario",
  password: "Contraseña",
  passwordShownOnce: "se muestra solo esta vez",
  pointCli: "Dirija el comando heroku hacia aquí",
  seeStatus: "Vea qué está en marcha",
  stopping: "Deteniendo todo …",
  stoppingHint: "Ctrl-C detiene todo.",
  controlPlaneStopped:
    "El plano de control se detuvo. Router, dynos y base de datos siguen; npm start los retoma, npm stop los detiene.",
  stopped: (what) => `Detenido: ${what}.`,
  nothingRan: "No había nada en marcha.",
  parts: {
    controlPlane: "plano de control",
    router: "router",
    dynos: (count) => (count === 1 ? "1 dyno" : `${count} dynos`),
    database: "PostgreSQL",
  },
  usage: `Uso: zarpa COMANDO

  env       imprime las líneas que dirigen el comando heroku hacia aquí: eval "$(npx zarpa env)"
  status    dice qué está en marcha; código de salida 0 si la plataforma lo está
  service   imprime una unidad de systemd que arranca Zarpa con la máquina: npx zarpa service > /etc/systemd/system/zarpa.service
  version   imprime la versión de Zarpa
  help      imprime esto
`,
  unknownCommand: (name) => `No existe el comando «${name}». Vea: npx zarpa help`,
  neverStarted: "Zarpa todavía no se inició: npm start",
  runs: "en marcha",
  doesNotRun: "detenido",
  external: "la suya (DATABASE_URL)",
  status: {
    controlPlane: "Plano de control",
    router: "Router",
    database: "PostgreSQL",
    driver: "Driver",
    apps: "Apps",
    data: "Datos",
  },
  counts: (apps, dynos) => `${apps} (${dynos} ${dynos === 1 ? "dyno" : "dynos"})`,
  logInForCounts: "inicie sesión con heroku login para verlas",
};

/** Spanish when the environment's locale says so, else English. The order is POSIX's: `LC_ALL`, `LC_MESSAGES`, `LANG`. */
export function messagesFor(env: Record<string, string | undefined>): Messages {
  const locale = env["LC_ALL"] || env["LC_MESSAGES"] || env["LANG"] || "";
  return /^es(_|\.|$)/i.test(locale) ? spanish : english;
}
