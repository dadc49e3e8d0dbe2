import { existsSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import type { Instance } from "./instance.ts";
import type { Messages } from "./messages.ts";

const PROBE_TIMEOUT_MS = 3000;

export interface StatusReport {
  text: string;
  /** Whether the control plane answers through the router. */
  isUp: boolean;
}

/** Says what runs of a platform. `token` is the API token of the person who asks; without it apps are not counted. */
export async function statusReport(instance: Instance, token: string | null, messages: Messages): Promise<StatusReport> {
  const [answer, routerUp] = await Promise.all([ask(instance.port, "/api/v4/current-status", null), isListening(instance.port)]);
  const isUp = answer.status === 200;
  const { status } = messages;
  const state = (up: boolean): string => (up ? messages.runs : messages.doesNotRun);
  const origin = `http://localhost:${instance.port}`;
  const rows: [string, string][] = [
    [status.controlPlane, isUp ? `${messages.runs}  ${origin}` : state(false)],
    [status.router, routerUp ? `${messages.runs}  ${instance.port}, ${instance.tls_port}` : state(false)],
    [status.database, instance.database === "external" ? messages.external : state(isDatabaseUp(instance.home, isUp))],
    [status.driver, instance.driver],
  ];
  if (isUp) rows.push([status.apps, await countApps(instance.port, token, messages)]);
  rows.push([status.data, instance.home]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return { text: rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join(""), isUp };
}

async function countApps(port: number, token: string | null, messages: Messages): Promise<string> {
  if (token === null) return messages.logInForCounts;
  const apps = await ask(port, "/apps", token);
  if (apps.status !== 200 && apps.status !== 206) return messages.logInForCounts;
  const names = (JSON.parse(apps.body) as { id: string }[]).map((app) => app.id);
  const dynos = await Promise.all(names.map(async (id) => await ask(port, `/apps/${id}/dynos`, token)));
  const lists = dynos.map(({ status, body }) => (status === 200 || status === 206 ? (JSON.parse(body) as unknown[]).length : 0));
  return messages.counts(
    names.length,
    lists.reduce((sum, count) => sum + count, 0),
  );
}

/** One request; status 0 when nobody answers. */
async function ask(port: number, path: string, token: string | null): Promise<{ status: number; body: string }> {
  return await new Promise((resolve) => {
    const nobody = { status: 0, body: "" };
    const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
    const headers = { accept: "application/vnd.heroku+json; version=3", range: "id ..; max=1000", ...authorization };
    const request = get({ host: "127.0.0.1", port, path, headers, timeout: PROBE_TIMEOUT_MS }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", () => resolve(nobody));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(nobody));
    request.on("close", () => resolve(nobody));
  });
}

async function isListening(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The data folder is closed to other users of the machine: to them the database runs when the platform does. */
function isDatabaseUp(home: string, platformUp: boolean): boolean {
  try {
    const pid = readFileSync(join(home, "postgres", "postmaster.pid"), "utf8").split("\n")[0] ?? "";
    return existsSync(`/proc/${pid}`);
  } catch {
    return platformUp;
  }
}

/** The token that heroku login has left for a host in a `.netrc` file, or null. */
export function netrcToken(text: string, host: string): string | null {
  const words = text.split(/\s+/);
  const start = words.findIndex((word, index) => word === "machine" && words[index + 1] === host);
  if (start === -1) return null;
  const next = words.indexOf("machine", start + 1);
  const entry = words.slice(start, next === -1 ? undefined : next);
  const password = entry.indexOf("password");
  return password === -1 ? null : (entry[password + 1] ?? null);
}
