import type { Selectable } from "kysely";
import type { Domain } from "../contract/domain.ts";
import { isId, newId } from "../kernel/ids.ts";
import type { FoundApp } from "./access.ts";
import type { Platform } from "./context.ts";
import type { Domains } from "./database/tables.ts";
import { invalid, isDuplicate, notFound } from "./refusals.ts";

type DomainRow = Selectable<Domains>;

/** https://devcenter.heroku.com/articles/limits#custom-domains */
const MAX_DOMAINS_PER_APP = 1000;
/** All domains lie in the router's memory: one account must not fill it for the others. */
const MAX_DOMAINS_PER_ACCOUNT = 2000;
const MAX_HOSTNAME_LENGTH = 253;
const HOSTNAME = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*$/;

/** The host every app has from the start. */
export function defaultHostname(ctx: Platform, appName: string): string {
  return `${appName}.${ctx.addresses.domain}`;
}

/** The domain as the API shows it. A custom one points at the default one by CNAME. */
export function domainResource(ctx: Platform, app: FoundApp, row: DomainRow): Domain {
  const custom = row.kind === "custom";
  return {
    acm_status: null,
    acm_status_reason: null,
    app: { id: app.id, name: app.name },
    cname: custom ? defaultHostname(ctx, app.name) : null,
    created_at: row.created_at.toISOString(),
    hostname: row.hostname,
    id: row.id,
    kind: row.kind,
    sni_endpoint: null,
    // The CLI announces a wait for every status but this one, and there is nothing to wait for.
    status: "none",
    updated_at: row.updated_at.toISOString(),
  };
}

/** The app's domains, the default one first. */
export async function listDomains(ctx: Platform, appId: string): Promise<DomainRow[]> {
  const rows = await ctx.db.selectFrom("domains").selectAll().where("app_id", "=", appId).orderBy("hostname").execute();
  return rows.sort((a, b) => Number(b.kind === "heroku") - Number(a.kind === "heroku"));
}

export async function findDomain(ctx: Platform, appId: string, hostnameOrId: string): Promise<DomainRow> {
  const row = await ctx.db
    .selectFrom("domains")
    .selectAll()
    .where("app_id", "=", appId)
    .where(isId(hostnameOrId) ? "id" : "hostname", "=", hostnameOrId.toLowerCase())
    .executeTakeFirst();
  if (row === undefined) throw notFound("domain");
  return row;
}

/** Routes a host of the user's own to the app, at once: it is up to its DNS to lead here. */
export async function addDomain(ctx: Platform, app: FoundApp, wished: string): Promise<DomainRow> {
  const hostname = wished.toLowerCase().replace(/\.$/, "");
  checkHostname(ctx, hostname);
  await checkCount(ctx, app);
  const now = ctx.clock.now();
  try {
    const row = await ctx.db
      .insertInto("domains")
      .values({ id: newId(), app_id: app.id, hostname, kind: "custom", created_at: now, updated_at: now })
      .returningAll()
      .executeTakeFirstOrThrow();
    ctx.events.routesChanged(app.id);
    return row;
  } catch (error) {
    if (isDuplicate(error)) throw invalid(`The domain ${hostname} is already in use by this or another app.`);
    throw error;
  }
}

export async function removeDomain(ctx: Platform, app: FoundApp, hostnameOrId: string): Promise<DomainRow> {
  const row = await findDomain(ctx, app.id, hostnameOrId);
  if (row.kind === "heroku") throw invalid(`The default domain ${row.hostname} belongs to the app and cannot be removed.`);
  await ctx.db.deleteFrom("domains").where("id", "=", row.id).execute();
  ctx.events.routesChanged(app.id);
  return row;
}

async function checkCount(ctx: Platform, app: FoundApp): Promise<void> {
  const { own, all } = await ctx.db
    .selectFrom("domains")
    .innerJoin("apps", "apps.id", "domains.app_id")
    .select(({ fn }) => [fn.countAll<number>().filterWhere("app_id", "=", app.id).as("own"), fn.countAll<number>().as("all")])
    .where("owner_id", "=", app.owner_id)
    .where("kind", "=", "custom")
    .executeTakeFirstOrThrow();
  if (own >= MAX_DOMAINS_PER_APP) throw invalid(`An app may have ${MAX_DOMAINS_PER_APP} custom domains at most.`);
  if (all >= MAX_DOMAINS_PER_ACCOUNT) throw invalid(`An account may have ${MAX_DOMAINS_PER_ACCOUNT} custom domains at most.`);
}

function checkHostname(ctx: Platform, hostname: string): void {
  const { domain } = ctx.addresses;
  if (hostname.length > MAX_HOSTNAME_LENGTH || !HOSTNAME.test(hostname)) {
    throw invalid(`"${hostname}" is not a host name: it must look like www.example.com or *.example.com.`);
  }
  // Names under the platform's own domain are the apps' default hosts; the domain itself is the platform.
  if (hostname === domain || hostname.endsWith(`.${domain}`)) {
    throw invalid(`The domain ${hostname} is reserved: names under ${domain} belong to the platform.`);
  }
}
