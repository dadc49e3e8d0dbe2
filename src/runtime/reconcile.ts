import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Dynos } from "./dynos.ts";
import type { Life, Scene } from "./life.ts";
import { type Action, plan, planAbandoned, type Attention } from "./plan.ts";
import type { FormationStore, RoutePublisher } from "./ports.ts";
import { prebootOf } from "./preboot.ts";
import { routeOf } from "./route.ts";
import type { Switches } from "./switches.ts";
import type { WindDown } from "./wind-down.ts";

export interface ReconcilerOptions {
  store: FormationStore;
  routes: RoutePublisher;
  dynos: Dynos;
  life: Life;
  windDown: WindDown;
  switches: Switches;
  attention(appId: string): Attention;
  clock: Clock;
  journal: Journal;
}

interface AppLoop {
  pass: Promise<void> | null;
  again: boolean;
  failures: number;
  cancelWake: () => void;
}

/** Each round takes one step of each dyno; more than this in one pass means that rows and processes never agree. */
const MAX_ROUNDS = 20;
const RETRY_MILLISECONDS = 1_000;
const MAX_RETRY_MILLISECONDS = 15_000;

/** Brings apps to what is desired of them: one pass at a time for each app, more wishes meanwhile make one more. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #apps = new Map<string, AppLoop>();
  readonly #published = new Map<string, string>();
  #ended = false;
  readonly #ending = Promise.withResolvers<void>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Plans the app again, at once or after the pass that is running. Resolves when that is done; false: it failed, is journalled and tried again. */
  async run(appId: string): Promise<boolean> {
    if (this.#ended) return false;
    const loop = this.#apps.get(appId) ?? { pass: null, again: false, failures: 0, cancelWake: () => {} };
    this.#apps.set(appId, loop);
    loop.again = true;
    loop.pass ??= this.#passes(appId, loop);
    await loop.pass;
    return loop.failures === 0;
  }

  /** Ends after the passes that are running. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#ending.resolve();
    for (const loop of this.#apps.values()) loop.cancelWake();
    this.#options.windDown.close();
    await Promise.all([...this.#apps.values()].map(({ pass }) => pass));
  }

  async #passes(appId: string, loop: AppLoop): Promise<void> {
    let wakeAt: Date | null = null;
    while (loop.again && !this.#ended) {
      loop.again = false;
      loop.cancelWake();
      try {
        wakeAt = await this.#pass(appId);
        loop.failures = 0;
      } catch (cause) {
        // A database that is down fails every pass: once in the journal is enough.
        if (loop.failures === 0) this.#options.journal.fault("runtime.pass", cause, { app_id: appId });
        loop.failures += 1;
        const pause = Math.min(RETRY_MILLISECONDS * 2 ** (loop.failures - 1), MAX_RETRY_MILLISECONDS);
        wakeAt = new Date(this.#options.clock.now().getTime() + pause);
      }
    }
    loop.pass = null;
    if (wakeAt === null || this.#ended) {
      if (loop.failures === 0) this.#apps.delete(appId);
      return;
    }
    const pause = Math.max(0, wakeAt.getTime() - this.#options.clock.now().getTime());
    loop.cancelWake = this.#options.clock.after(pause, () => void this.run(appId));
  }

  /** Reads, plans and executes until there is nothing to do now. Returns when there will be. */
  async #pass(appId: string): Promise<Date | null> {
    const { store, dynos, life, clock, attention, switches } = this.#options;
    for (let round = 0; round < MAX_ROUNDS && !this.#ended; round += 1) {
      const known = [...dynos.facts].filter(([, fact]) => fact.appId === appId).map(([dynoId]) => dynoId);
      const [desired, records] = await Promise.all([store.desired(appId), store.dynos(appId)]);
      for (const record of records) dynos.adopt(record);
      const scene: Scene = { appId, desired, records };
      const now = clock.now();
      const own = plan(desired, records, dynos.facts, now, attention(appId));
      const stray = planAbandoned(known, records, dynos.facts, now);
      const actions = [...own.actions, ...stray.actions];
      const stops = actions.filter(takesNoMoreRequests);
      const rest = actions.filter((action) => !takesNoMoreRequests(action));
      await Promise.all(rest.map(async (action) => await life.execute(action, scene)));
      // What has been done changes the picture: routes and stops are for one that is complete.
      if (rest.some((action) => action.do !== "await-client")) continue;
      const leaving = new Set(stops.filter((stop) => stop.do !== "idle").map(({ record }) => record.id));
      const { kept, hidden, until } = prebootOf(desired, records, leaving, now);
      await this.#publish(scene, leaving.difference(kept).union(hidden));
      if (this.#ended) return null;
      const due = this.#windDown(
        scene,
        stops.filter(({ record }) => !kept.has(record.id)),
      );
      await Promise.all(due.map(async (action) => await life.execute(action, scene)));
      switches.look(appId, desired, records);
      if (due.length === 0) return earlier(until, earlier(own.wakeAt, stray.wakeAt));
    }
    throw new Error(`the dynos of app ${appId} do not settle`);
  }

  /** Of the steps that the router knows of now, those to be taken: dynos that are to stop finish their requests first. */
  #windDown({ appId, desired }: Scene, steps: readonly RoutedAction[]): RoutedAction[] {
    const { windDown, switches } = this.#options;
    // Nobody waits for an app that is gone.
    if (desired === null) return [...steps];
    const idle = windDown.sift(
      appId,
      steps.filter((step) => step.do === "stop").map(({ record }) => record),
    );
    for (const { open } of idle) switches.endSockets(appId, open);
    return steps.filter((step) => step.do !== "stop" || idle.some(({ record }) => record === step.record));
  }

  async #publish({ appId, desired, records }: Scene, leaving: ReadonlySet<string>): Promise<void> {
    const { routes, dynos } = this.#options;
    if (desired === null) {
      this.#published.delete(appId);
      // A router that is away is waited for, but not by a control plane that ends.
      await Promise.race([routes.withdraw(appId), this.#ending.promise]);
      return;
    }
    const route = routeOf(desired, records, leaving, (dynoId) => dynos.thawFiles(dynoId));
    const text = JSON.stringify(route);
    if (this.#published.get(appId) === text) return;
    await Promise.race([routes.publish(route), this.#ending.promise]);
    this.#published.set(appId, text);
  }
}

type RoutedAction = Extract<Action, { do: "stop" | "idle" | "hibernate" }>;

/** Steps that the router has to know of before they are taken. */
function takesNoMoreRequests(action: Action): action is RoutedAction {
  return action.do === "stop" || action.do === "idle" || action.do === "hibernate";
}

function earlier(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}
