import type { Instance } from "./instance.ts";

/** The variables that point an unmodified heroku CLI and git at this platform, and keep them from calling home. */
export function herokuEnvironment(instance: Pick<Instance, "port" | "tls_port" | "bundle">): Record<string, string> {
  const origin = `http://localhost:${instance.port}`;
  return {
    HEROKU_HOST: origin,
    HEROKU_LOGIN_HOST: origin,
    HEROKU_PARTICLEBOARD_URL: origin,
    // Host name alone: the CLI takes protocol and port from HEROKU_HOST.
    HEROKU_DATA_HOST: "localhost",
    HEROKU_GIT_HOST: `localhost:${instance.tls_port}`,
    HEROKU_BUILDPACK_REGISTRY_URL: origin,
    HEROKU_STATUS_HOST: origin,
    DISABLE_TELEMETRY: "true",
    HEROKU_DISABLE_AUTOUPDATE: "true",
    HEROKU_SKIP_NEW_VERSION_CHECK: "true",
    // The system's key store knows no host: a login here would overwrite the one at Heroku's.
    HEROKU_NETRC_WRITE: "true",
    NODE_EXTRA_CA_CERTS: instance.bundle,
    GIT_SSL_CAINFO: instance.bundle,
  };
}

/** `export NAME='value'` lines for a POSIX shell; nothing in a value can end its quotes. */
export function exportLines(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quoted(value)}\n`)
    .join("");
}

function quoted(value: string): string {
  if (/^[A-Za-z0-9_./:@%+=-]+$/.test(value)) return value;
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
