import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Tables } from "./tables.ts";

const BIGINT_OID = 20;
const MAX_CONNECTIONS = 8;

/** A pooled handle on the platform's database; `bigint` columns are numbers (all of ours count bytes). */
export function connect(connectionString: string): Kysely<Tables> {
  const pool = new pg.Pool({
    connectionString,
    max: MAX_CONNECTIONS,
    types: {
      getTypeParser: (oid, format) => (oid === BIGINT_OID ? Number : pg.types.getTypeParser(oid, format as "text")),
    },
  });
  // An idle connection that breaks (server restart) is replaced at the next query.
  pool.on("error", () => {});
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}
