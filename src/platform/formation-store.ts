import { join } from "node:path";
import type { Selectable, Updateable } from "kysely";
import { appUid } from "./app-uid.ts";
import { openConfig } from "./config.ts";
import type { Platform } from "./context.ts";
import type { Dynos, DynoState } from "./database/tables.ts";
import type { DynoLimits } from "./dyno-size.ts";
import { enabledFeatures } from "./feature.ts";
import { listFormation } from "./formation.ts";
import { DYNO_METADATA, dynoMetadata } from "./dyno-metadata.ts";
import { RELEASE } from "./process-type.ts";
import { recordSwitch, type SwitchProof } from "./release-switch.ts";
import { EcoPools, usesEcoHours } from "./quota.ts";
import { beginSleep, endSleep, keepWakeTime, maySleep, sleepingSince } from "./sleep.ts";

/** The shapes of `FormationStore` in src/runtime/ports.ts, which this room may not import. */
interface DesiredRelease {
  id: string;
  version: number;
  slugRoot: string | null;
  stack: string;
  config: Record<string, string>;
  metadata: Record<string, string>;
}

interface DesiredApp {
  app: { id: string; name: string; uid: number };
  maintenance: boolean;
  hosts: string[];
  release: DesiredRelease | null;
  formation: { type: string; quantity: number; size: string; command: string }[];
  sleep: { may: boolean; since: Date | null; exhausted: boolean };
  features: string[];
}

type DynoRecord = Omit<Selectable<Dynos>, "exit_code">;

interface DynoPatch {
  state?: DynoState;
  crashes?: number;
  restart_at?: Date | null;
  address?: string | null;
  port?: number | null;
  exit_code?: number;
}

/** What the runtime keeps: desired state out of the rows, observed state into them. */
export interface FormationStore {
  appIds(): Promise<string[]>;
  desired(appId: string): Promise<DesiredApp | null>;
  release(releaseId: string): Promise<DesiredRelease | null>;
  dynos(appId: string): Promise<DynoRecord[]>;
  insert(dyno: DynoRecord): Promise<void>;
  update(dynoId: string, patch: DynoPatch): Promise<void>;
  sleep(appId: string): Promise<void>;
  wake(appId: string): Promise<boolean>;
  woken(appId: string): Promise<void>;
  limits(size: string): DynoLimits;
  recordSwitch(releaseId: string, proof: SwitchProof): Promise<boolean>;
}

/** The runtime's view of the platform's rows. `slugsFolder`: where slugs lie, one folder a tree. */
export function formationStore(ctx: Platform, slugsFolder: string): FormationStore {
  const { db } = ctx;
  const pools = new EcoPools(ctx);
  const release = async (where: { id: string } | { currentOf: string }): Promise<DesiredRelease | null> => {
    let query = db
      .selectFrom("releases")
      .innerJoin("apps", "apps.id", "releases.app_id")
      .leftJoin("slugs", "slugs.id", "releases.slug_id")
      .leftJoin("features", (join) =>
        join.onRef("features.owner_id", "=", "apps.id").on("features.name", "=", DYNO_METADATA).on("features.enabled", "=", true),
      )
      .select(["releases.id", "releases.version", "releases.config", "slugs.tree", "slugs.stack", "apps.stack as app_stack"])
      .select(["apps.id as app_id", "apps.name as app_name", "releases.created_at", "slugs.commit"])
      .select(["slugs.commit_description", "features.enabled as has_metadata"]);
    query = "id" in where ? query.where("releases.id", "=", where.id) : query.where("releases.app_id", "=", where.currentOf);
    if ("currentOf" in where) query = query.where("current", "=", true);
    const row = await query.executeTakeFirst();
    if (row === undefined) return null;
    const { id, version, tree } = row;
    const metadata = row.has_metadata === true ? dynoMetadata(ctx, row) : {};
    const slugRoot = tree === null ? null : join(slugsFolder, tree, "root");
    return { id, version, slugRoot, stack: row.stack ?? row.app_stack, config: openConfig(ctx, row.config), metadata };
  };
  return {
    appIds: async () => (await db.selectFrom("apps").select("id").orderBy("number").execute()).map((row) => row.id),
    desired: async (appId) => {
      const app = await db
        .selectFrom("apps")
        .select(["id", "name", "number", "maintenance", "owner_id"])
        .where("id", "=", appId)
        .executeTakeFirst();
      if (app === undefined) return null;
      const [domains, current, formation, since, features] = await Promise.all([
        db.selectFrom("domains").select("hostname").where("app_id", "=", appId).orderBy("hostname").execute(),
        release({ currentOf: appId }),
        listFormation(db, appId),
        sleepingSince(ctx, appId),
        enabledFeatures(ctx, appId),
      ]);
      return {
        app: { id: app.id, name: app.name, uid: appUid(app.number) },
        maintenance: app.maintenance,
        hosts: domains.map((row) => row.hostname),
        release: current === null || current.slugRoot === null ? null : current,
        formation: formation
          .filter((row) => row.type !== RELEASE)
          .map(({ type, quantity, size, command }) => ({ type, quantity, size, command })),
        sleep: {
          may: maySleep(ctx, formation),
          since,
          exhausted: usesEcoHours(ctx, formation) && (await pools.isExhausted(app.owner_id)),
        },
        features,
      };
    },
    release: async (releaseId) => await release({ id: releaseId }),
    dynos: async (appId) =>
      await db
        .selectFrom("dynos")
        .selectAll()
        .where("app_id", "=", appId)
        .where("state", "<>", "down")
        .orderBy("created_at")
        .execute(),
    insert: async (dyno) => {
      await db
        .insertInto("dynos")
        .values({ ...dyno, env: JSON.stringify(dyno.env) })
        .execute();
    },
    update: async (dynoId, patch) => {
      // `updated_at` is the time of the last change of state: `heroku ps` shows "up since".
      const values: Updateable<Dynos> = patch.state === undefined ? patch : { ...patch, updated_at: ctx.clock.now() };
      if (Object.keys(values).length === 0) return;
      await db.updateTable("dynos").set(values).where("id", "=", dynoId).execute();
    },
    sleep: async (appId) => await beginSleep(ctx, appId),
    wake: async (appId) => await endSleep(ctx, appId),
    woken: async (appId) => await keepWakeTime(ctx, appId),
    recordSwitch: async (releaseId, proof) => await recordSwitch(ctx, releaseId, proof),
    limits: (size) => ctx.sizes.limits(size),
  };
}
