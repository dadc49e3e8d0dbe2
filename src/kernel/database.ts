import { type Kysely, type Migration, Migrator, type Transaction } from "kysely";

/** A database handle or an open transaction: functions that only read or write rows take either. */
export type Queryable<Tables> = Kysely<Tables> | Transaction<Tables>;

/** Brings the schema up to date; migrations are named `0001_…` and run in that order. Throws the first failure. */
export async function migrate<Tables>(db: Kysely<Tables>, migrations: Record<string, Migration>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === "Error");
    throw new Error(`the database migration ${failed?.migrationName ?? ""} failed`, { cause: error });
  }
}

/** PostgreSQL's classes and Node's codes that mean: the database cannot be asked just now. */
const DATABASE_DOWN = /^(08\d\d\d|57P0[123]|53300|ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT)$/;

export const DATABASE_DOWN_MESSAGE = "The platform's database does not answer just now. Please try again in a moment.";

/** Whether a query failed because the database does not answer: the same again may succeed in a moment. */
export function isDatabaseDown(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (/^Connection terminated|timeout exceeded when trying to connect/.test(error.message)) return true;
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  if (typeof code !== "string" || !DATABASE_DOWN.test(code)) return false;
  // A missing file of ours is not a missing database socket.
  return code !== "ENOENT" || syscall === "connect";
}
