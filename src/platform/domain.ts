import type { Selectable } from "kysely";
import type { Domain } from "../contract/domain.ts";
import { isId, newId } from "../kernel/ids.ts";
import type { FoundApp } from "./access.ts";
import { orderAcm } from "./acm.ts";
import type { Platform } from "./context.ts";
import type { Domains } from "./database/tables.ts";
import { invalid, isDuplicate, notFound } from "./refusals.ts";
import { checkIsFor, findEndpoint } from "./sni-endpoint.ts";

type DomainRow = Selectable<Domains> & { endpoint_name: string | null };

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
    acm_status: row.acm_status,
    acm_status_reason: row.acm_status_reason,
    app: { id: app.id, name: app.name },
    cname: custom ? defaultHostname(ctx, app.name) : null,
    created_at: row.created_at.toISOString(),
    hostname: row.hostname,
    id: row.id,
    kind: row.kind,
    sni_endpoint:
      row.sni_endpoint_id === null || row.endpoint_name === null ? null : { id: row.sni_endpoint_id, name: row.endpoint_name },
    // The CLI announces a wait for every status but this one, and there is nothing to wait for.
    status: "none",
    updated_at: row.updated_at.toISOString(),
  };
}

/** The app's domains, the default one first. */
export async function listDomains(ctx: Platform, appId: string): Promise<DomainRow[]> {
  const rows = await ctx.db
    .selectFrom("domains")
    .leftJoin("sni_endpoints", "sni_endpoints.id", "domains.sni_endpoint_id")
    .selectAll("domains")
    .select("sni_endpoints.name as endpoint_name")
    .where("domains.app_id", "=", appId)
    .orderBy("hostname")
    .execute();
  return rows.sort((a, b) => Number(b.kind === "heroku") - Number(a.kind === "heroku"));
}

export async function findDomain(ctx: Platform, appId: string, hostnameOrId: string): Promise<DomainRow> {
  const wanted = hostnameOrId.toLowerCase();
  const row = (await listDomains(ctx, appId)).find(({ id, hostname }) => (isId(wanted) ? id : hostname) === wanted);
  if (row === undefined) throw notFound("domain");
  return row;
}

/**
 * Routes a host of the user's own to the app, at once: it is up to its DNS to lead here. `endpoint`: name or id of the certificate it is
 * served with.
 */
export async function addDomain(ctx: Platform, app: FoundApp, wished: string, endpoint?: string | null): Promise<DomainRow> {
  const hostname = wished.toLowerCase().replace(/\.$/, "");
  checkHostname(ctx, hostname);
  await checkCount(ctx, app);
  await checkNeighbours(ctx, app, hostname);
  const certificate = await certificateFor(ctx, app, hostname, endpoint ?? null);
  const now = ctx.clock.now();
  const id = newId();
  try {
    await ctx.db
      .insertInto("domains")
      .values({
        id,
        app_id: app.id,
        hostname,
        kind: "custom",
        sni_endpoint_id: certificate,
        created_at: now,
        updated_at: now,
      })
      .execute();
  } catch (error) {
    if (isDuplicate(error)) throw invalid(`The domain ${hostname} is already in use by this or another app.`);
    throw error;
  }
  ctx.events.routesChanged(app.id);
  if (certificate !== null) ctx.events.certificatesChanged();
  if (app.acm) await orderAcm(ctx, app.id);
  return await findDomain(ctx, app.id, id);
}

/** Serves the domain with another of the app's certificates; null: with the platform's own. */
export async function setDomainEndpoint(
  ctx: Platform,
  app: FoundApp,
  row: DomainRow,
  endpoint: string | null,
): Promise<DomainRow> {
  if (row.kind === "heroku") throw invalid(`The default domain ${row.hostname} has the platform's certificate.`);
  const certificate = await certificateFor(ctx, app, row.hostname, endpoint);
  await ctx.db
    .updateTable("domains")
    .set({ sni_endpoint_id: certificate, updated_at: ctx.clock.now() })
    .where("id", "=", row.id)
    .execute();
  ctx.events.certificatesChanged();
  return await findDomain(ctx, app.id, row.id);
}

export async function removeDomain(ctx: Platform, app: FoundApp, hostnameOrId: string): Promise<DomainRow> {
  const row = await findDomain(ctx, app.id, hostnameOrId);
  if (row.kind === "heroku") throw invalid(`The default domain ${row.hostname} belongs to the app and cannot be removed.`);
  await ctx.db.deleteFrom("domains").where("id", "=", row.id).execute();
  ctx.events.routesChanged(app.id);
  if (row.sni_endpoint_id !== null) ctx.events.certificatesChanged();
  return row;
}

async function certificateFor(ctx: Platform, app: FoundApp, hostname: string, endpoint: string | null): Promise<string | null> {
  if (endpoint === null) return null;
  const row = await findEndpoint(ctx, app.id, endpoint);
  checkIsFor(row.certificate_chain, hostname);
  return row.id;
}

/**
 * A wildcard domain and the names under it belong to one account: else somebody could take a part of another's domain.
 * https://devcenter.heroku.com/articles/custom-domains#add-a-wildcard-domain
 */
async function checkNeighbours(ctx: Platform, app: FoundApp, hostname: string): Promise<void> {
  const above = hostname
    .split(".")
    .map((_, index, labels) => `*.${labels.slice(index + 1).join(".")}`)
    .slice(0, -1);
  const others = await ctx.db
    .selectFrom("domains")
    .innerJoin("apps", "apps.id", "domains.app_id")
    .select("hostname")
    .where("owner_id", "<>", app.owner_id)
    .where((or) =>
      or.or([
        or("hostname", "in", [...above, hostname]),
        ...(hostname.startsWith("*.") ? [or("hostname", "like", `%${hostname.slice(1).replaceAll("_", "\\_")}`)] : []),
      ]),
    )
    .executeTakeFirst();
  if (others === undefined) return;
  throw invalid(`The domain ${hostname} is already in use: ${others.hostname} belongs to another account.`);
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
  const covers = hostname.startsWith("*.") && domain.endsWith(hostname.slice(1));
  if (hostname === domain || hostname.endsWith(`.${domain}`) || covers) {
    throw invalid(`The domain ${hostname} is reserved: ${domain} and the names under it belong to the platform.`);
  }
}
