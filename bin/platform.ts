import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createApi } from "../src/api/server.ts";
import { createBuilder } from "../src/builder/builder.ts";
import { ownNode } from "../src/builder/layout.ts";
import { createSlugStore } from "../src/builder/slug-store.ts";
import { createGitHandler } from "../src/git/handler.ts";
import { superviseCluster } from "../src/kernel/cluster.ts";
import { migrate } from "../src/kernel/database.ts";
import { migrateJobs, startJobs, waitingJobKeys } from "../src/kernel/jobs.ts";
import { Outputs } from "../src/kernel/output.ts";
import { Vault } from "../src/kernel/secret.ts";
import { Drains } from "../src/logplex/drains.ts";
import { Logplex } from "../src/logplex/logplex.ts";
import { ensureAdmin } from "../src/platform/account.ts";
import { startAcmRenewal } from "../src/platform/acm.ts";
import { failInterruptedBuilds } from "../src/platform/build-outcome.ts";
import type { Addresses, Platform, PlatformEvents } from "../src/platform/context.ts";
import { connect } from "../src/platform/database/connect.ts";
import { migrations } from "../src/platform/database/migrations.ts";
import { DynoSizes } from "../src/platform/dyno-size.ts";
import { formationStore } from "../src/platform/formation-store.ts";
import { listLogDrains } from "../src/platform/log-drain.ts";
import { failInterruptedReleases } from "../src/platform/release.ts";
import { findNginx, workerAccount } from "../src/router/installation.ts";
import { RequestLog } from "../src/router/request-log.ts";
import { createRouter, type Router } from "../src/router/router.ts";
import { listenForWakes } from "../src/router/wake-listener.ts";
import { createOciDriver } from "../src/runtime/oci/driver.ts";
import type { SleepTimes } from "../src/runtime/plan.ts";
import { createProcessDriver } from "../src/runtime/process/driver.ts";
import { createRuntime } from "../src/runtime/runtime.ts";
import type { Boot, RunningPlatform } from "./setup/boot.ts";
import { privateCluster } from "./setup/database.ts";
import { certificateWiring } from "./wiring/certificates.ts";
import { deployJobs } from "./wiring/deploy-jobs.ts";
import { removeDestroyedApp } from "./wiring/destroyed-app.ts";
import { Figures } from "./wiring/figures.ts";
import { gitPlatform } from "./wiring/git-platform.ts";
import { listen } from "./wiring/server.ts";
import { storeSlug } from "./wiring/slug-upload.ts";

/** Builds at once; each may use all processors for a while, so more would only wait for each other. */
const JOBS_AT_ONCE = 3;

/** Composes the control plane from its rooms and starts it; the one place that knows them all. */
export async function runPlatform(boot: Boot): Promise<RunningPlatform> {
  const { paths, settings, clock, journal, authority } = boot;
  const ending = new AsyncDisposableStack();
  try {
    await makeFolders(boot);
    const db = connect(boot.databaseUrl);
    ending.defer(async () => await db.destroy());
    if (settings.databaseUrl === null) ending.defer(superviseCluster(privateCluster(paths), { clock, journal }));
    await migrate(db, migrations);
    await migrateJobs(boot.databaseUrl);

    const outputs = new Outputs();
    const buildOutputPath = (id: string): string => join(paths.builds, `${id}.log`);
    const releaseOutputPath = (id: string): string => join(paths.builds, `release-${id}.log`);
    const late = lateEvents();
    const platform: Platform = {
      db,
      clock,
      vault: new Vault(boot.vaultKey),
      sizes: await DynoSizes.load(db),
      addresses: addressesOf(boot),
      events: late.events,
    };

    const logplex = new Logplex({ folder: paths.logs, clock, journal });
    ending.defer(async () => await logplex.close());
    const router = await openRouter(boot);
    ending.defer(async () => await router.detach());
    const driver = await openDriver(boot);
    const figures = new Figures({
      platform,
      logplex,
      usage: async (dynoId) => await driver.usage(dynoId),
      clock,
      journal,
    });
    figures.start();
    ending.defer(async () => await figures.stop());
    const runtime = createRuntime({
      driver,
      store: formationStore(platform, paths.slugs),
      log: {
        say: (line) => figures.say(line),
        follow: (output) => logplex.follow(output),
        finish: async (dynoId) => await logplex.finish(dynoId),
      },
      routes: router,
      clock,
      journal,
      logsFolder: paths.dynos,
      rendezvous: {
        port: settings.rendezvousPort,
        cert: await readFile(authority.certFile, "utf8"),
        key: await readFile(authority.keyFile, "utf8"),
      },
      sleepTimes: sleepTimesOf(boot),
    });

    const requestLog = new RequestLog({
      folder: paths.router,
      clock,
      journal,
      onRequests: async (requests) => {
        for (const { appId, at, failed } of requests) runtime.requestServed(appId, at, failed);
        await logplex.emitMany(requests.map((line) => ({ ...line, source: "heroku", process: "router" })));
        figures.requests(requests);
      },
      reopenLogs: () => router.reopenLogs(),
    });
    requestLog.start();
    ending.defer(async () => await requestLog.stop());

    const drains = new Drains({
      logplex,
      store: { drains: async (appId) => await listLogDrains(platform, appId) },
      network: { forbidden: "subnet" in driver ? [driver.subnet] : [], allowed: settings.drainNetworks },
      authorities: boot.hostBundle === null ? null : await readFile(boot.hostBundle, "utf8"),
      clock,
      journal,
    });
    drains.start();
    ending.defer(async () => await drains.close());

    const slugs = createSlugStore(paths.slugs);
    await slugs.sweep();
    const builder = createBuilder({
      paths,
      sandbox: driver.sandbox,
      store: slugs,
      clock,
      journal,
      tools: { uv: boot.tools.uv, ...ownNode() },
      caBundle: boot.hostBundle,
      trustedOrigins: [platform.addresses.origin],
    });
    const git = createGitHandler({
      platform: gitPlatform(platform, {
        expectBuild: (build) => builder.expect(build),
        journal,
        outputs,
        buildOutputPath,
        releaseOutputPath,
      }),
      repositoriesFolder: paths.repositories,
      buildsFolder: paths.builds,
      clock,
      journal,
    });
    await git.recover();

    const jobs = deployJobs({
      platform,
      outputs,
      journal,
      buildOutputPath,
      releaseOutputPath,
      build: async (order, write, signal) => await builder.build(order, write, signal),
      reconciled: async (appId) => await runtime.reconciled(appId),
      runRelease: async (phase) => await runtime.runRelease(phase),
    });
    const certificates = certificateWiring({ platform, router, settings, journal });
    late.connect({
      log: (line) => logplex.emit(line.app_id, { source: line.source, process: line.process, message: line.message }),
      appChanged: (appId) => runtime.appChanged(appId),
      routesChanged: (appId) => runtime.appChanged(appId),
      drainsChanged: (appId) => void drains.changed(appId),
      certificatesChanged: () => certificates.changed(),
      buildCancelled: (buildId) => jobs.cancelBuild(buildId),
      appDestroyed: (app) => {
        certificates.changed();
        const keepers = { runtime, git, builder, logs: logplex, slugs, buildOutputPath, releaseOutputPath };
        removeDestroyedApp(app, keepers).catch((error: unknown) => journal.fault("app_destroyed", error, { app_id: app.id }));
      },
    });
    await runtime.start();
    ending.defer(async () => await runtime.stop());
    const wakes = await listenForWakes(paths.wakeSocket, (appId) => runtime.wake(appId));
    ending.defer(async () => await wakes.close());
    router.admit(paths.wakeSocket);
    const waiting = await waitingJobKeys(db);
    await failInterruptedBuilds(platform, waiting);
    await failInterruptedReleases(platform, waiting);
    const workers = await startJobs({
      connectionString: boot.databaseUrl,
      handlers: { ...jobs.handlers, ...certificates.handlers },
      concurrency: JOBS_AT_ONCE,
      journal,
    });
    ending.defer(async () => await workers.stop());
    certificates.changed();
    await startAcmRenewal(platform);

    const api = await createApi({
      platform,
      journal,
      ports: {
        logs: logplex,
        runInside: (order) => runtime.runInside(order),
        drains,
        exposeFigures: async () => await figures.expose(drains),
        outputs,
        buildOutputPath,
        releaseOutputPath,
        slugArchive: (tree) => slugs.archive(tree),
        storeSlug: async (archive, uid) => await storeSlug(archive, uid, { paths, slugs }),
        sourcesFolder: paths.sources,
        purgeCache: async (appId) => await builder.purgeCache(appId),
      },
    });
    ending.defer(async () => await api.close());
    // After all that can fail: a made-up password that is never shown would lock the operator out.
    const adminCreated = await ensureAdmin(platform, boot.admin);
    const server = await listen(paths.platformSocket, { api, git });
    ending.defer(async () => await server.close());
    router.admit(paths.platformSocket);
    router.supervise();
    return { adminCreated, stop: async () => await ending.disposeAsync() };
  } catch (error) {
    await ending.disposeAsync();
    throw error;
  }
}

/**
 * The platform's events before the rooms that hear them exist: nothing is said that early, since no request is served and no job runs.
 */
function lateEvents(): { events: PlatformEvents; connect(hearer: PlatformEvents): void } {
  let hearer: PlatformEvents | null = null;
  return {
    events: {
      log: (line) => hearer?.log(line),
      appChanged: (appId) => hearer?.appChanged(appId),
      routesChanged: (appId) => hearer?.routesChanged(appId),
      drainsChanged: (appId) => hearer?.drainsChanged(appId),
      certificatesChanged: () => hearer?.certificatesChanged(),
      buildCancelled: (buildId) => hearer?.buildCancelled(buildId),
      appDestroyed: (app) => hearer?.appDestroyed(app),
    },
    connect: (given) => {
      hearer = given;
    },
  };
}

function addressesOf({ settings }: Boot): Addresses {
  return {
    origin: `http://${settings.domain}:${settings.port}`,
    gitOrigin: `https://${settings.domain}:${settings.tlsPort}/`,
    rendezvousOrigin: `rendezvous://${settings.domain}:${settings.rendezvousPort}`,
    domain: settings.domain,
    port: settings.port,
  };
}

function sleepTimesOf({ settings }: Boot): SleepTimes {
  const { idleSeconds, frozenSeconds } = settings.sleep;
  return { idle: idleSeconds === 0 ? null : idleSeconds * 1000, frozen: frozenSeconds * 1000 };
}

async function makeFolders({ paths }: Boot): Promise<void> {
  for (const folder of [paths.repositories, paths.logs, paths.sources]) await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const folder of [paths.builds, paths.caches, paths.slugs, paths.dynos])
    await mkdir(folder, { recursive: true, mode: 0o711 });
}

async function openRouter(boot: Boot): Promise<Router> {
  const { paths, settings, authority, journal, clock } = boot;
  const isRoot = process.getuid?.() === 0;
  const router = createRouter({
    paths,
    port: settings.port,
    tlsPort: settings.tlsPort,
    domain: settings.domain,
    certificate: authority,
    nginx: await findNginx(),
    worker: isRoot ? workerAccount(await readFile("/etc/passwd", "utf8"), await readFile("/etc/group", "utf8")) : null,
    journal,
    clock,
  });
  await router.ensureRunning();
  return router;
}

async function openDriver(boot: Boot): Promise<Awaited<ReturnType<typeof createOciDriver | typeof createProcessDriver>>> {
  const { paths, journal, clock, stacks } = boot;
  const common = { dynosFolder: paths.dynos, journal, clock };
  if (boot.driver.name === "process") return await createProcessDriver(common);
  return await createOciDriver({
    ...common,
    caBundle: boot.hostBundle,
    stackRoot: (name) => {
      const root = stacks.get(name);
      if (root === undefined || root === null) throw new Error(`there is no stack ${name} on this machine`);
      return root;
    },
  });
}
