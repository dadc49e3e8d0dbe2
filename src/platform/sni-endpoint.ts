import type { Selectable } from "kysely";
import type { SniEndpoint } from "../contract/sni-endpoint.ts";
import { isId, newId } from "../kernel/ids.ts";
import { Secret } from "../kernel/secret.ts";
import type { FoundApp } from "./access.ts";
import { randomAppName } from "./app-name.ts";
import { describeChain, isFor, isSignedByKnownAuthority, readCertificate } from "./certificate.ts";
import type { Platform } from "./context.ts";
import type { SniEndpoints } from "./database/tables.ts";
import { invalid, notFound } from "./refusals.ts";

type EndpointRow = Selectable<SniEndpoints> & { domain_ids: string[] };

const MAX_ENDPOINTS_PER_APP = 100;

/** The certificate as the API shows it; the key is never shown. */
export function endpointResource(app: FoundApp, row: EndpointRow): SniEndpoint {
  const about = describeChain(row.certificate_chain);
  return {
    app: { id: app.id, name: app.name },
    certificate_chain: row.certificate_chain,
    created_at: row.created_at.toISOString(),
    display_name: null,
    domains: row.domain_ids,
    id: row.id,
    name: row.name,
    ssl_cert: {
      acm: row.acm,
      "ca_signed?": row.ca_signed,
      cert_domains: about.domains,
      expires_at: about.expiresAt.toISOString(),
      id: row.id,
      issuer: about.issuer,
      "self_signed?": about.selfSigned,
      starts_at: about.startsAt.toISOString(),
      subject: about.subject,
    },
    updated_at: row.updated_at.toISOString(),
  };
}

/** The app's certificates, the oldest first. */
export async function listEndpoints(ctx: Platform, appId: string): Promise<EndpointRow[]> {
  const [rows, domains] = await Promise.all([
    ctx.db.selectFrom("sni_endpoints").selectAll().where("app_id", "=", appId).orderBy("created_at").execute(),
    ctx.db.selectFrom("domains").select(["id", "sni_endpoint_id"]).where("app_id", "=", appId).orderBy("hostname").execute(),
  ]);
  const of = (id: string): string[] => domains.filter((domain) => domain.sni_endpoint_id === id).map((domain) => domain.id);
  return rows.map((row) => ({ ...row, domain_ids: of(row.id) }));
}

export async function findEndpoint(ctx: Platform, appId: string, nameOrId: string): Promise<EndpointRow> {
  const row = (await listEndpoints(ctx, appId)).find(({ id, name }) => (isId(nameOrId) ? id : name) === nameOrId);
  if (row === undefined) throw notFound("sni_endpoint");
  return row;
}

/** A certificate as somebody gives it: PEM. */
export interface GivenCertificate {
  certificate_chain: string;
  private_key: string;
}

/** Keeps a certificate; it is served once a domain is given it. `acm`: the platform has ordered it by itself. */
export async function addEndpoint(
  ctx: Platform,
  app: { id: string },
  given: GivenCertificate,
  acm = false,
): Promise<EndpointRow> {
  const values = valuesOf(ctx, given);
  if ((await listEndpoints(ctx, app.id)).length >= MAX_ENDPOINTS_PER_APP) {
    throw invalid(`An app may have ${MAX_ENDPOINTS_PER_APP} certificates at most.`);
  }
  const row = await ctx.db
    .insertInto("sni_endpoints")
    .values({ id: newId(), app_id: app.id, name: randomAppName(), acm, created_at: ctx.clock.now(), ...values })
    .returningAll()
    .executeTakeFirstOrThrow();
  return { ...row, domain_ids: [] };
}

/** Replaces a certificate by a newer one; it must be for every domain that has it. */
export async function updateEndpoint(ctx: Platform, row: EndpointRow, given: GivenCertificate): Promise<EndpointRow> {
  const values = valuesOf(ctx, given);
  const domains = await ctx.db.selectFrom("domains").select("hostname").where("sni_endpoint_id", "=", row.id).execute();
  for (const { hostname } of domains) checkIsFor(values.certificate_chain, hostname);
  const changed = await ctx.db
    .updateTable("sni_endpoints")
    .set(values)
    .where("id", "=", row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  ctx.events.certificatesChanged();
  return { ...changed, domain_ids: row.domain_ids };
}

/** Its domains are served with the platform's own certificate from then on. */
export async function removeEndpoint(ctx: Platform, row: EndpointRow): Promise<void> {
  await ctx.db.deleteFrom("sni_endpoints").where("id", "=", row.id).execute();
  ctx.events.certificatesChanged();
}

/** Refuses a certificate that is not for the host. */
export function checkIsFor(chain: string, hostname: string): void {
  if (isFor(chain, hostname)) return;
  throw invalid(`The certificate is not for ${hostname}, but for ${describeChain(chain).domains.join(", ")}.`);
}

/** What the router serves: each certificate that some domain has. The form of the router's `RouterCertificate`. */
export async function servedCertificates(ctx: Platform): Promise<{ id: string; hosts: string[]; chain: string; key: Secret }[]> {
  const rows = await ctx.db
    .selectFrom("domains")
    .innerJoin("sni_endpoints", "sni_endpoints.id", "domains.sni_endpoint_id")
    .select(["hostname", "sni_endpoints.id", "certificate_chain", "private_key"])
    .orderBy("hostname")
    .execute();
  const served = new Map<string, { id: string; hosts: string[]; chain: string; key: Secret }>();
  for (const { id, hostname, certificate_chain: chain, private_key: key } of rows) {
    const known = served.get(id);
    if (known === undefined) served.set(id, { id, hosts: [hostname], chain, key: new Secret(ctx.vault.open(key)) });
    else known.hosts.push(hostname);
  }
  return [...served.values()];
}

function valuesOf(
  ctx: Platform,
  given: GivenCertificate,
): Pick<Selectable<SniEndpoints>, "certificate_chain" | "private_key" | "expires_at" | "ca_signed" | "updated_at"> {
  const now = ctx.clock.now();
  const { chain, key, expiresAt } = readCertificate(given.certificate_chain, given.private_key, now);
  return {
    certificate_chain: chain,
    private_key: ctx.vault.seal(key),
    expires_at: expiresAt,
    ca_signed: isSignedByKnownAuthority(chain),
    updated_at: now,
  };
}
