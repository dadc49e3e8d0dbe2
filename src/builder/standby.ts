import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import { newId } from "../kernel/ids.ts";
import type { Journal } from "../kernel/journal.ts";
import { type BuildTools, layOut } from "./layout.ts";
import type { BuildOrder, Sandbox, SandboxStandby } from "./ports.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

export interface StandbyOptions {
  cachesFolder: string;
  sandbox: Sandbox;
  clock: Clock;
  journal: Journal;
  tools: BuildTools;
  caBundle: string | null;
  memoryBytes: number;
}

/** What is known of a build before its source has arrived. */
export type ExpectedBuild = Pick<BuildOrder, "stack"> & { app: Pick<BuildOrder["app"], "id" | "uid"> };

/** A workspace whose BUILD_DIR is empty, and a place in the sandbox that has it mounted. */
export interface Standby {
  workspace: Workspace;
  place: SandboxStandby;
}

interface Waiting {
  expected: ExpectedBuild;
  ready: Promise<Standby | null>;
  forget: () => void;
}

/** A push that takes longer on its way has its sandbox made when it is there. */
const PATIENCE_MILLISECONDS = 30_000;
const MOST = 3;

/** Sandboxes that are being made while the sources of their builds are still being received and checked. */
export class Standbys {
  readonly #options: StandbyOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** Begins to make a place for an app's next build; to be called for apps that are not being built. */
  expect(expected: ExpectedBuild): void {
    const { sandbox, clock, journal } = this.#options;
    const appId = expected.app.id;
    if (sandbox.stand === undefined || this.#waiting.has(appId) || this.#waiting.size >= MOST) return;
    const ready = this.#make(expected, sandbox.stand).catch((error: unknown) => {
      journal.fault("build.standby", error, { app_id: appId });
      return null;
    });
    const forget = clock.after(PATIENCE_MILLISECONDS, () => void this.drop(appId));
    this.#waiting.set(appId, { expected, ready, forget });
  }

  /** The place for this build, if there is one that fits. After that none of its app is left. */
  async take(order: ExpectedBuild, fits: boolean): Promise<Standby | null> {
    const waiting = this.#waiting.get(order.app.id);
    const { expected } = waiting ?? {};
    if (waiting === undefined || !fits || expected?.stack !== order.stack || expected.app.uid !== order.app.uid) {
      await this.drop(order.app.id);
      return null;
    }
    this.#waiting.delete(order.app.id);
    waiting.forget();
    return await waiting.ready;
  }

  async drop(appId: string): Promise<void> {
    const waiting = this.#waiting.get(appId);
    if (waiting === undefined) return;
    this.#waiting.delete(appId);
    waiting.forget();
    await (await waiting.ready)?.place.drop().catch((error: unknown) => {
      this.#options.journal.fault("build.standby", error, { app_id: appId });
    });
  }

  async #make({ app, stack }: ExpectedBuild, stand: NonNullable<Sandbox["stand"]>): Promise<Standby> {
    const { cachesFolder, sandbox, tools, caBundle, memoryBytes } = this.#options;
    const folder = join(cachesFolder, app.id);
    await mkdir(folder, { recursive: true, mode: 0o711 });
    const workspace = await openWorkspace(folder, app.uid);
    await mkdir(workspace.build, { mode: 0o755 });
    const { build, mounts } = layOut(workspace, sandbox.isolated, tools, caBundle, []);
    return { workspace, place: await stand({ id: newId(), stack, cwd: build, uid: app.uid, mounts, memoryBytes }) };
  }
}
