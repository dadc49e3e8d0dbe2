import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sql } from "kysely";
import { testCertificate } from "../../test/support/certificate.ts";
import { testPlatform, type TestPlatform } from "../../test/support/platform.ts";
import { Secret } from "../kernel/secret.ts";
import { acmeAccountKey, type AcmPorts, disableAcm, enableAcm, refreshAcm, renewAcm, runAcm } from "./acm.ts";
import { addDomain, listDomains, setDomainEndpoint } from "./domain.ts";
import { addEndpoint, listEndpoints, servedCertificates } from "./sni-endpoint.ts";

const DAY_MS = 86_400_000;

describe("automatic certificates", () => {
  /** An authority that gives what is asked for, but not for hosts of `refused`; `elsewhere` do not lead here. */
  const world = (elsewhere: Set<string> = new Set(), refused: Set<string> = new Set()) => {
    const asked: string[][] = [];
    const ports: AcmPorts = {
      whyNotHere: async (host) => (elsewhere.has(host) ? "Its DNS leads to another server than this one." : null),
      obtain: async (hosts) => {
        asked.push(hosts);
        const bad = hosts.find((host) => refused.has(host));
        if (bad !== undefined) throw new Error(`too many certificates for ${bad}`);
        const { cert, key } = await testCertificate(hosts);
        return { chain: cert, key: new Secret(key) };
      },
    };
    return { asked, ports };
  };
  const statuses = async ({ ctx, app }: TestPlatform): Promise<Record<string, string | null>> =>
    Object.fromEntries(
      (await listDomains(ctx, app.id)).filter(({ kind }) => kind === "custom").map((row) => [row.hostname, row.acm_status]),
    );
  const jobs = async ({ ctx }: TestPlatform): Promise<{ key: string; run_at: Date }[]> =>
    (await sql<{ key: string; run_at: Date }>`select key, run_at from graphile_worker.jobs order by key`.execute(ctx.db)).rows;

  it("are ordered for the domains that lead here, in one certificate", async () => {
    await using test = await testPlatform();
    const { ctx } = test;
    const app = await enableAcm(ctx, test.app);
    for (const host of ["a.example.com", "b.example.com", "away.example.com", "*.example.com"]) await addDomain(ctx, app, host);
    const { asked, ports } = world(new Set(["away.example.com"]));
    await runAcm(ctx, app.id, 1, ports);
    assert.deepEqual(asked, [["a.example.com", "b.example.com"]]);
    assert.deepEqual(await statuses(test), {
      "*.example.com": "failing",
      "a.example.com": "cert issued",
      "away.example.com": "failing",
      "b.example.com": "cert issued",
    });
    assert.deepEqual(
      (await servedCertificates(ctx)).map(({ hosts }) => hosts),
      [["a.example.com", "b.example.com"]],
    );
    assert.ok(test.events.logged.includes("heroku[acm]: Certificate issued for a.example.com, b.example.com"));
    await runAcm(ctx, app.id, 2, ports);
    assert.equal(asked.length, 1, "nothing new is asked for");
    await runAcm(ctx, app.id, 7, world(new Set(["away.example.com"])).ports);
    assert.equal((await statuses(test))["away.example.com"], "failed", "after an hour of tries");
    await refreshAcm(ctx, app.id);
    await runAcm(ctx, app.id, 1, world().ports);
    assert.equal((await statuses(test))["away.example.com"], "cert issued");
  });

  it("try again later when the authority refuses, and say why", async () => {
    await using test = await testPlatform();
    const app = await enableAcm(test.ctx, test.app);
    await addDomain(test.ctx, app, "a.example.com");
    await runAcm(test.ctx, app.id, 2, world(new Set(), new Set(["a.example.com"])).ports);
    const [, row] = await listDomains(test.ctx, app.id);
    assert.deepEqual([row?.acm_status, row?.acm_status_reason], ["failing", "too many certificates for a.example.com"]);
    const [job] = await jobs(test);
    assert.equal(job?.key, `acm:${app.id}`);
    assert.equal(job?.run_at.getTime(), test.clock.now().getTime() + 120_000);
  });

  it("are renewed 30 days before they end, and leave certificates of the user's own alone", async () => {
    await using test = await testPlatform();
    const { ctx, clock } = test;
    const app = await enableAcm(ctx, test.app);
    const own = await testCertificate(["own.example.com"]);
    const endpoint = await addEndpoint(ctx, app, { certificate_chain: own.cert, private_key: own.key });
    await addDomain(ctx, app, "own.example.com", endpoint.name);
    await addDomain(ctx, app, "a.example.com");
    const { asked, ports } = world();
    await runAcm(ctx, app.id, 1, ports);
    const before = (await listEndpoints(ctx, app.id)).find(({ acm }) => acm)!;
    await clock.advance(before.expires_at.getTime() - clock.now().getTime() - 29 * DAY_MS);
    await renewAcm(ctx);
    assert.deepEqual(
      (await jobs(test)).map(({ key }) => key),
      [`acm:${app.id}`, "acm_renewal"],
    );
    await runAcm(ctx, app.id, 1, ports);
    assert.deepEqual(asked, [["a.example.com"], ["a.example.com"]]);
    const after = (await listEndpoints(ctx, app.id)).find(({ acm }) => acm)!;
    assert.deepEqual([after.id, after.name], [before.id, before.name]);
    assert.notEqual(after.certificate_chain, before.certificate_chain);
    const off = await disableAcm(ctx, app);
    assert.equal(off.acm, false);
    assert.deepEqual(
      (await listEndpoints(ctx, app.id)).map(({ id }) => id),
      [endpoint.id],
    );
    assert.deepEqual(Object.values(await statuses(test)), [null, null]);
    await runAcm(ctx, app.id, 1, ports);
    assert.equal(asked.length, 2, "no more");
    const domain = (await listDomains(ctx, app.id)).find(({ hostname }) => hostname === "own.example.com")!;
    assert.equal((await setDomainEndpoint(ctx, off, domain, null)).sni_endpoint_id, null);
  });

  it("have one account at each authority", async () => {
    await using test = await testPlatform();
    const [first, again, other] = await Promise.all(
      ["https://a.example/dir", "https://a.example/dir", "https://b.example/dir"].map(async (url) =>
        (await acmeAccountKey(test.ctx, url)).reveal(),
      ),
    );
    assert.ok(first?.includes("PRIVATE KEY"));
    assert.equal(again, first);
    assert.notEqual(other, first);
  });
});
