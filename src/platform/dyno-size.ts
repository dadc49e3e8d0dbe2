import { machine } from "node:os";
import type { Selectable } from "kysely";
import type { DynoSize as DynoSizeResource } from "../contract/dyno-size.ts";
import type { Queryable } from "../kernel/database.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { DynoSizes as DynoSizeTable, Tables } from "./database/tables.ts";
import { CEDAR } from "./stack.ts";

/** A dyno size and what each dyno of it may use: https://devcenter.heroku.com/articles/dyno-sizes */
export type DynoSize = Selectable<DynoSizeTable>;

/** What the runtime holds a dyno to. */
export interface DynoLimits {
  memoryBytes: number;
  cpuShare: number;
  maxProcesses: number;
  diskBytes: number;
}

const BYTES_PER_GIGABYTE = 1024 ** 3;
/** New apps begin with it, as Heroku's do. */
export const DEFAULT_SIZE = "Eco";

/** All dyno sizes of this installation, in memory: they are asked for with every plan, and change when an administrator says so. */
export class DynoSizes {
  readonly #db: Queryable<Tables>;
  #sizes: readonly DynoSize[];

  private constructor(db: Queryable<Tables>, sizes: readonly DynoSize[]) {
    this.#db = db;
    this.#sizes = sizes;
  }

  static async load(db: Queryable<Tables>): Promise<DynoSizes> {
    const sizes = new DynoSizes(db, []);
    await sizes.reload();
    return sizes;
  }

  /** After a change of the rows. */
  async reload(): Promise<void> {
    this.#sizes = await this.#db.selectFrom("dyno_sizes").selectAll().orderBy("memory_bytes").orderBy("name").execute();
  }

  /** The smallest first. */
  list(): readonly DynoSize[] {
    return this.#sizes;
  }

  /** The size of that name, in any case, or id; null when there is none. `1X` and `2X` are the old names of the standard sizes. */
  find(nameOrId: string): DynoSize | null {
    const wanted = nameOrId.toLowerCase().replace(/^([12])x$/, "standard-$1x");
    return this.#sizes.find((size) => size.name.toLowerCase() === wanted || size.id === wanted) ?? null;
  }

  /** Like `find`, and refuses an unknown one by naming those there are. */
  mustFind(nameOrId: string): DynoSize {
    const size = this.find(nameOrId);
    if (size !== null) return size;
    const names = this.#sizes.map((one) => one.name).join(", ");
    throw new Refusal("not_found", `Couldn't find that dyno size (${nameOrId}). The sizes are ${names}.`, {
      resource: "dyno_size",
    });
  }

  /** The limits of a stored size; rows hold canonical names only. */
  limits(name: string): DynoLimits {
    const size = this.mustFind(name);
    return {
      memoryBytes: size.memory_bytes,
      cpuShare: size.compute,
      maxProcesses: size.max_processes,
      diskBytes: size.disk_bytes,
    };
  }

  /** The app's `process_tier`, from the sizes of its formation: `eco`, `basic` or `production`. */
  processTier(names: readonly string[]): "eco" | "basic" | "production" {
    const tiers = (names.length === 0 ? [DEFAULT_SIZE] : names).map((name) => this.find(name)?.tier);
    if (tiers.includes("professional")) return "production";
    return tiers.includes("basic") ? "basic" : "eco";
  }
}

/** The size as the API shows it; `extended` adds what an administrator can set. It costs nothing: the machine is one's own. */
export function dynoSizeResource(size: DynoSize, extended = false): DynoSizeResource {
  const { max_processes, max_quantity, sleeps, tier } = size;
  const more = { disk: size.disk_bytes / BYTES_PER_GIGABYTE, max_processes, max_quantity, sleeps, tier };
  return {
    architecture: machine(),
    compute: size.compute,
    cost: { cents: 0, unit: "month" },
    dedicated: size.dedicated,
    ...(extended ? { extended: more } : {}),
    generation: { id: CEDAR.id, name: CEDAR.name },
    id: size.id,
    memory: size.memory_bytes / BYTES_PER_GIGABYTE,
    name: size.name,
    precise_dyno_units: size.compute,
    private_space_only: false,
  };
}
