import { machine } from "node:os";
import type { DynoSize as DynoSizeResource } from "../contract/dyno-size.ts";
import { Refusal } from "../kernel/refusal.ts";
import { CEDAR } from "./stack.ts";

/** Dyno sizes and what each may use: https://devcenter.heroku.com/articles/dyno-sizes */
export interface DynoSize {
  id: string;
  name: string;
  /** Gigabytes. */
  memory: number;
  /** Shares of the processor, relative to one standard dyno. */
  compute: number;
  dedicated: boolean;
  maxProcesses: number;
  /** Its web dynos sleep when nobody asks for them. */
  sleeps: boolean;
  /** Most dynos of one process type. */
  maxQuantity: number;
  /** Sizes of different tiers cannot serve one app together. */
  tier: "eco" | "basic" | "professional";
}

/** What the runtime holds a dyno to. */
export interface DynoLimits {
  memoryBytes: number;
  cpuShare: number;
  maxProcesses: number;
}

/** Eco and Basic: https://devcenter.heroku.com/articles/dyno-types#default-scaling-limits */
const MAX_SMALL_QUANTITY = 1;
const MAX_STANDARD_QUANTITY = 100;
const MAX_PERFORMANCE_QUANTITY = 10;
const BYTES_PER_GIGABYTE = 1024 ** 3;
/** New apps begin with it, as Heroku's do. */
export const DEFAULT_SIZE = "Eco";

const standard = { dedicated: false, sleeps: false, tier: "professional", maxQuantity: MAX_STANDARD_QUANTITY } as const;
const performance = { dedicated: true, sleeps: false, tier: "professional", maxQuantity: MAX_PERFORMANCE_QUANTITY } as const;
const small = { memory: 0.5, compute: 1, dedicated: false, maxProcesses: 256, maxQuantity: MAX_SMALL_QUANTITY } as const;

export const dynoSizes: readonly DynoSize[] = [
  { id: "ec0a5d51-0000-4000-8000-000000000001", name: "Eco", ...small, sleeps: true, tier: "eco" },
  { id: "ec0a5d51-0000-4000-8000-000000000002", name: "Basic", ...small, sleeps: false, tier: "basic" },
  { id: "ec0a5d51-0000-4000-8000-000000000003", name: "Standard-1X", memory: 0.5, compute: 1, maxProcesses: 256, ...standard },
  { id: "ec0a5d51-0000-4000-8000-000000000004", name: "Standard-2X", memory: 1, compute: 2, maxProcesses: 512, ...standard },
  {
    id: "ec0a5d51-0000-4000-8000-000000000005",
    name: "Performance-M",
    memory: 2.5,
    compute: 12,
    maxProcesses: 16_384,
    ...performance,
  },
  {
    id: "ec0a5d51-0000-4000-8000-000000000006",
    name: "Performance-L",
    memory: 14,
    compute: 50,
    maxProcesses: 32_768,
    ...performance,
  },
];

/** The size as the API shows it. It costs nothing: the machine is one's own. */
export function dynoSizeResource(size: DynoSize): DynoSizeResource {
  return {
    architecture: machine(),
    compute: size.compute,
    cost: { cents: 0, unit: "month" },
    dedicated: size.dedicated,
    generation: { id: CEDAR.id, name: CEDAR.name },
    id: size.id,
    memory: size.memory,
    name: size.name,
    precise_dyno_units: size.compute,
    private_space_only: false,
  };
}

/** The size of that name, in any case, or id; null when there is none. `1X` and `2X` are the old names of the standard sizes. */
function findSize(nameOrId: string): DynoSize | null {
  const wanted = nameOrId.toLowerCase().replace(/^([12])x$/, "standard-$1x");
  return dynoSizes.find((size) => size.name.toLowerCase() === wanted || size.id === wanted) ?? null;
}

/** Like `findSize`, and refuses an unknown one by naming those there are. */
export function mustFindSize(nameOrId: string): DynoSize {
  const size = findSize(nameOrId);
  if (size !== null) return size;
  const names = dynoSizes.map((size) => size.name).join(", ");
  throw new Refusal("not_found", `Couldn't find that dyno size (${nameOrId}). The sizes are ${names}.`, {
    resource: "dyno_size",
  });
}

/** The limits of a stored size; rows hold canonical names only. */
export function limitsOf(sizeName: string): DynoLimits {
  const size = mustFindSize(sizeName);
  return { memoryBytes: size.memory * BYTES_PER_GIGABYTE, cpuShare: size.compute, maxProcesses: size.maxProcesses };
}

/** The app's `process_tier`, from the sizes of its formation: `eco`, `basic` or `production`. */
export function processTier(sizeNames: readonly string[]): "eco" | "basic" | "production" {
  const tiers = (sizeNames.length === 0 ? [DEFAULT_SIZE] : sizeNames).map((name) => findSize(name)?.tier);
  if (tiers.includes("professional")) return "production";
  return tiers.includes("basic") ? "basic" : "eco";
}
