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
