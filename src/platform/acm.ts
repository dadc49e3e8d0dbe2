import { generateKeyPairSync } from "node:crypto";
import { addJob } from "../kernel/jobs.ts";
import { Secret } from "../kernel/secret.ts";
import type { FoundApp } from "./access.ts";
import { describeChain, isFor } from "./certificate.ts";
import type { Platform } from "./context.ts";
import { addEndpoint, listEndpoints, removeEndpoint, updateEndpoint } from "./sni-endpoint.ts";

/** Orders certificates for one app: `{ app_id, attempt }`. */
export const ACM_JOB = "acm";
/** Looks for certificates that end soon; orders itself anew. */
export const ACM_RENEWAL_JOB = "acm_renewal";

const ACM_QUEUE = "acm";
const DAY_MS = 86_400_000;
const RENEW_BEFORE_MS = 30 * DAY_MS;
const RENEWAL_INTERVAL_MS = DAY_MS / 2;
/** A domain that does not lead here yet is looked at again after 1, 2, 4 … minutes, for about an hour; then it has failed. */
const FIRST_PAUSE_MS = 60_000;
const MOST_ATTEMPTS = 7;
/** Let's Encrypt's limit. */
const MOST_NAMES = 100;

/** What ordering needs of the world. */
export interface AcmPorts {
  /** Null when HTTP requests for the host come to this router; else why not, in words. */
  whyNotHere(hostname: string): Promise<string | null>;
  /** A certificate for these hosts from the authority; PEM. Throws its words when it gives none. */
  obtain(hostnames: string[]): Promise<{ chain: string; key: Secret }>;
}

/** Switches automatic certificates on: https://devcenter.heroku.com/articles/automated-certificate-management */
export async function enableAcm(ctx: Platform, app: FoundApp): Promise<FoundApp> {
  await ctx.db.updateTable("apps").set({ acm: true }).where("id", "=", app.id).execute();
  await refreshAcm(ctx, app.id);
  return { ...app, acm: true };
}

/** Switches them off; the domains are served with the platform's certificate again. */
export async function disableAcm(ctx: Platform, app: FoundApp): Promise<FoundApp> {
  await ctx.db.updateTable("apps").set({ acm: false }).where("id", "=", app.id).execute();
  await ctx.db.updateTable("domains").set({ acm_status: null, acm_status_reason: null }).where("app_id", "=", app.id).execute();
  for (const row of await listEndpoints(ctx, app.id)) if (row.acm) await removeEndpoint(ctx, row);
  return { ...app, acm: false };
}

/** Looks at all domains anew, those that had failed too. */
export async function refreshAcm(ctx: Platform, appId: string): Promise<void> {
  const undecided = ctx.db.updateTable("domains").set({ acm_status: null, acm_status_reason: null }).where("app_id", "=", appId);
  await undecided.where((or) => or.or([or("acm_status", "is", null), or("acm_status", "<>", ISSUED)])).execute();
  await orderAcm(ctx, appId);
}

/** Has the app's domains looked at soon. */
export async function orderAcm(ctx: Platform, appId: string, attempt = 1, runAt?: Date): Promise<void> {
  const options = { queue: ACM_QUEUE, jobKey: `acm:${appId}`, maxAttempts: 3, ...(runAt === undefined ? {} : { runAt }) };
  await addJob(ctx.db, ACM_JOB, { app_id: appId, attempt }, options);
}

const ISSUED = "cert issued";

/**
 * Orders what an app's domains lack: those are asked for that lead here, in one certificate; the others have a reason and are looked at
 * again. A certificate that is for all of them and does not end soon is left alone.
 */
export async function runAcm(ctx: Platform, appId: string, attempt: number, ports: AcmPorts): Promise<void> {
  const app = await ctx.db.selectFrom("apps").select(["id", "acm"]).where("id", "=", appId).executeTakeFirst();
  if (app?.acm !== true) return;
  const endpoint = (await listEndpoints(ctx, appId)).find(({ acm }) => acm);
  const domains = await domainsOf(ctx, appId, endpoint?.id ?? null);
  const reasons = await Promise.all(domains.map(async ({ hostname }, index) => await reasonAgainst(hostname, index, ports)));
  const good = domains.filter((_, index) => reasons[index] === null);
  const again = attempt < MOST_ATTEMPTS;
  for (const [index, domain] of domains.entries()) {
    const reason = reasons[index] ?? null;
    if (reason !== null) await setStatus(ctx, [domain.id], again ? "failing" : "failed", reason);
  }
  const fresh = good.filter(({ acm_status }) => acm_status !== ISSUED);
  await setStatus(
    ctx,
    fresh.map(({ id }) => id),
    "verified",
    null,
  );
  const chain = endpoint?.certificate_chain;
  const isEnough =
    chain !== undefined && good.every(({ hostname }) => isFor(chain, hostname)) && !endsSoon(ctx, describeChain(chain).expiresAt);
  let refused = false;
  if (good.length > 0 && !isEnough) refused = !(await order(ctx, appId, endpoint, good, again, ports));
  else if (isEnough && endpoint !== undefined) await give(ctx, good, endpoint.id);
  if (again && (refused || good.length < domains.length)) {
    await orderAcm(ctx, appId, attempt + 1, new Date(ctx.clock.now().getTime() + FIRST_PAUSE_MS * 2 ** (attempt - 1)));
  }
}

/** Orders anew for every app whose certificate ends within 30 days, and itself again. */
export async function renewAcm(ctx: Platform): Promise<void> {
  const soon = new Date(ctx.clock.now().getTime() + RENEW_BEFORE_MS);
  const rows = await ctx.db
    .selectFrom("sni_endpoints")
    .select("app_id")
    .where("acm", "=", true)
    .where("expires_at", "<", soon)
    .execute();
  for (const { app_id } of rows) await orderAcm(ctx, app_id);
  const runAt = new Date(ctx.clock.now().getTime() + RENEWAL_INTERVAL_MS);
  await addJob(ctx.db, ACM_RENEWAL_JOB, {}, { jobKey: ACM_RENEWAL_JOB, runAt });
}

/** Starts the looking for certificates that end soon. */
export async function startAcmRenewal(ctx: Platform): Promise<void> {
  await addJob(ctx.db, ACM_RENEWAL_JOB, {}, { jobKey: ACM_RENEWAL_JOB });
}

/** The key of our account at an authority, made when there is none; PEM. */
export async function acmeAccountKey(ctx: Platform, directoryUrl: string): Promise<Secret> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const made = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const row = { directory_url: directoryUrl, private_key: ctx.vault.seal(made), created_at: ctx.clock.now() };
  await ctx.db
    .insertInto("acme_accounts")
    .values(row)
    .onConflict((conflict) => conflict.column("directory_url").doNothing())
    .execute();
  const account = ctx.db.selectFrom("acme_accounts").select("private_key").where("directory_url", "=", directoryUrl);
  return new Secret(ctx.vault.open((await account.executeTakeFirstOrThrow()).private_key));
}

interface AcmDomain {
  id: string;
  hostname: string;
  acm_status: string | null;
}

/** Custom domains that have no certificate of the user's own. */
async function domainsOf(ctx: Platform, appId: string, endpointId: string | null): Promise<AcmDomain[]> {
  const rows = await ctx.db
    .selectFrom("domains")
    .select(["id", "hostname", "acm_status", "sni_endpoint_id"])
    .where("app_id", "=", appId)
    .where("kind", "=", "custom")
    .orderBy("created_at")
    .execute();
  return rows.filter((row) => row.sni_endpoint_id === null || row.sni_endpoint_id === endpointId);
}

async function reasonAgainst(hostname: string, index: number, ports: AcmPorts): Promise<string | null> {
  if (hostname.startsWith("*.")) return "Wildcard domains need a certificate of your own: heroku certs:add.";
  if (index >= MOST_NAMES) return `A certificate may have ${MOST_NAMES} names at most.`;
  return await ports.whyNotHere(hostname);
}

/** Whether the authority gave a certificate. */
async function order(
  ctx: Platform,
  appId: string,
  endpoint: Awaited<ReturnType<typeof listEndpoints>>[number] | undefined,
  domains: readonly AcmDomain[],
  again: boolean,
  ports: AcmPorts,
): Promise<boolean> {
  const say = (message: string): void => ctx.events.log({ app_id: appId, source: "heroku", process: "acm", message });
  const names = domains.map(({ hostname }) => hostname);
  try {
    const { chain, key } = await ports.obtain(names);
    const given = { certificate_chain: chain, private_key: key.reveal() };
    // A domain that is asked for no more need not be in the new one.
    if (endpoint !== undefined) await take(ctx, endpoint.id, domains);
    const { id } =
      endpoint === undefined ? await addEndpoint(ctx, { id: appId }, given, true) : await updateEndpoint(ctx, endpoint, given);
    await give(ctx, domains, id);
    say(`Certificate issued for ${names.join(", ")}`);
    return true;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const pending = domains.filter(({ acm_status }) => acm_status !== ISSUED).map(({ id }) => id);
    await setStatus(ctx, pending, again ? "failing" : "failed", reason);
    say(`No certificate for ${names.join(", ")}: ${reason}`);
    return false;
  }
}

async function take(ctx: Platform, endpointId: string, keep: readonly AcmDomain[]): Promise<void> {
  const ids = keep.map(({ id }) => id);
  const others = ctx.db.updateTable("domains").set({ sni_endpoint_id: null }).where("sni_endpoint_id", "=", endpointId);
  await others.where("id", "not in", ids).execute();
}

async function give(ctx: Platform, domains: readonly AcmDomain[], endpointId: string): Promise<void> {
  const ids = domains.map(({ id }) => id);
  await ctx.db.updateTable("domains").set({ sni_endpoint_id: endpointId }).where("id", "in", ids).execute();
  await setStatus(ctx, ids, ISSUED, null);
  ctx.events.certificatesChanged();
}

async function setStatus(ctx: Platform, ids: readonly string[], status: string, reason: string | null): Promise<void> {
  if (ids.length === 0) return;
  const values = { acm_status: status, acm_status_reason: reason, updated_at: ctx.clock.now() };
  await ctx.db.updateTable("domains").set(values).where("id", "in", ids).execute();
}

function endsSoon(ctx: Platform, expiresAt: Date): boolean {
  return expiresAt.getTime() - ctx.clock.now().getTime() < RENEW_BEFORE_MS;
}
