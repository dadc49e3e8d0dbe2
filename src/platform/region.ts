import type { Region } from "../contract/region.ts";
import { invalid, notFound } from "./refusals.ts";

const SINCE = "2026-11-20T00:00:00.000Z";

/** The one region: this machine. It is called `us` because the CLI prints every other name behind the app's. */
const REGIONS: readonly Region[] = [
  {
    country: "This machine",
    created_at: SINCE,
    description: "This machine",
    id: "59accabd-516d-4f0e-83e6-6e3757701145",
    locale: "localhost",
    name: "us",
    private_capable: false,
    provider: { name: "zarpa", region: "localhost" },
    updated_at: SINCE,
  },
];

const DEFAULT_REGION = "us";

export function listRegions(): readonly Region[] {
  return REGIONS;
}

export function findRegion(nameOrId: string): Region {
  const region = REGIONS.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (region === undefined) throw notFound("region");
  return region;
}

/** The region an app is made in: refuses one that is not there in words that say which are. */
export function chooseRegion(nameOrId: string | undefined): Region {
  const region = REGIONS.find(({ id, name }) => id === (nameOrId ?? DEFAULT_REGION) || name === (nameOrId ?? DEFAULT_REGION));
  if (region === undefined)
    throw invalid(`There is no region ${nameOrId}. The only one here is ${DEFAULT_REGION}: this machine.`);
  return region;
}
