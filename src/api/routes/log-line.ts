import { Readable } from "node:stream";
import { Type } from "typebox";
import { LogLine, LogLineQuery } from "../../contract/log-line.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import { invalid } from "../../platform/refusals.ts";
import type { Api, ApiDeps } from "../api.ts";
import type { LogReader } from "../ports.ts";

const DEFAULT_LINES = 100;
const MOST_LINES = 10_000;
/** Written at once: so little that other requests come between. */
const LINES_PER_CHUNK = 500;

type Found = Awaited<ReturnType<LogReader["search"]>>;

/** Searches an app's stored log, by time, source, dyno and text: not Heroku's, whose log sessions only show the end. */
export function registerLogLineRoutes(app: Api, { platform, ports }: ApiDeps): void {
  const description =
    "Lines of the app's stored log, oldest first. With Accept: text/plain, as heroku logs prints them. The log keeps some megabytes an app.";
  const schema = {
    tags: ["log-line"],
    description,
    params: AppParams,
    querystring: LogLineQuery,
    // What is sent is a stream of it.
    response: { "2xx": Type.Unsafe<Readable>(Type.Array(LogLine)) },
  };
  app.get("/apps/:app/log-lines", { schema }, async ({ identity, params, query, headers }, reply) => {
    const { id } = await findApp(platform, params.app, identity);
    const found = await ports.logs.search(id, {
      filter: { source: query.source ?? null, process: query.dyno ?? null },
      from: timeOf("from", query.from),
      to: timeOf("to", query.to),
      query: query.query ?? null,
      beforeId: query.before === undefined ? null : Number(query.before),
      limit: Math.min(query.limit === undefined ? DEFAULT_LINES : Number(query.limit), MOST_LINES),
    });
    const isText = headers.accept?.includes("text/plain") === true;
    return await reply
      .type(isText ? "text/plain; charset=utf-8" : "application/json; charset=utf-8")
      .send(Readable.from(isText ? textOf(found) : jsonOf(found)));
  });
}

function* textOf(found: Found): Generator<string> {
  for (let start = 0; start < found.length; start += LINES_PER_CHUNK) {
    const lines = found.slice(start, start + LINES_PER_CHUNK);
    yield lines.map(({ text }) => `${text}\n`).join("");
  }
}

function* jsonOf(found: Found): Generator<string> {
  yield "[";
  for (let start = 0; start < found.length; start += LINES_PER_CHUNK) {
    const lines = found.slice(start, start + LINES_PER_CHUNK).map(({ id, stamp, source, process, message }) => {
      return JSON.stringify({ id, created_at: stamp, source, dyno: process, message });
    });
    yield `${start === 0 ? "" : ","}${lines.join(",")}`;
  }
  yield "]";
}

function timeOf(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw invalid(`"${name}" is "${text}": it must be a time such as 2026-01-31T12:00:00Z.`);
  return time;
}
