import { newId } from "../kernel/ids.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Dynos } from "./dynos.ts";
import type { Action, Ending, Slot } from "./plan.ts";
import type { DesiredApp, DesiredRelease, DynoLog, DynoRecord, FormationStore } from "./ports.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** The exit code of a process that SIGKILL has ended, which may have been the kernel's for want of memory. */
const KILLED = 137;

export interface LifeOptions {
  store: FormationStore;
  log: DynoLog;
  clock: Clock;
  dynos: Dynos;
  waitingRoom: WaitingRoom;
  /** Somebody asks for the app at this moment. */
  asked(appId: string): void;
  /** A dyno has come to its end for good; the exit code is null when its process was lost or could not be started. */
  ended(dynoId: string, exitCode: number | null): void;
}

/** What an action is executed on: one app as it was read for the plan. */
export interface Scene {
  appId: string;
  desired: DesiredApp | null;
  records: readonly DynoRecord[];
}

/** Executes the steps in the life of dynos: row, process and the log lines that Heroku writes (article "Error Codes", "Logging"). */
export class Life {
  readonly #options: LifeOptions;

  constructor(options: LifeOptions) {
    this.#options = options;
  }

  async execute(action: Action, scene: Scene): Promise<void> {
    switch (action.do) {
      case "start":
        return await this.#startSlot(action.slot, action.crashes, action.after, scene);
      case "launch":
        return await this.#launch(action.record, scene);
      case "await-client":
        if (this.#options.waitingRoom.admit(action.record)) this.#say(action.record, "Awaiting client");
        return;
      case "expire":
        this.#say(action.record, "Error R13 (Attach error) -> Failed to attach to process");
        return await this.#retire(action.record);
      case "up":
        return await this.#up(action.record, scene);
      case "boot-timeout":
        this.#say(
          action.record,
          `Error R10 (Boot timeout) -> Web process failed to bind to $PORT within ${action.seconds} seconds of launch`,
          "Stopping process with SIGKILL",
        );
        return await this.#options.dynos.signal(action.record.id, "SIGKILL");
      case "exited":
        return await this.#exited(action.record, action.exitCode, action.next, scene);
      case "failed":
        this.#say(action.record, "Error R99 (Platform error) -> Failed to launch the dyno");
        return await this.#end(action.record, null, action.next, scene);
      case "retire":
        return await this.#retire(action.record);
      case "stop":
        if (action.isCycling === true) this.#say(action.record, "Cycling");
        return await this.#stop(action.record);
      case "sleep":
        return await this.#sleep(action.web, scene.appId);
      case "wake":
        await this.#options.store.wake(scene.appId);
        return;
      case "idle":
        return await this.#idle(action.record, scene);
      case "hibernate":
        if (action.step === "SIGTERM") this.#say(action.record, "Stopping all processes with SIGTERM");
        return await this.#options.dynos.hibernate(action.record.id, action.step);
      case "hibernated":
        return await this.#hibernated(action.record, action.exitCode);
      case "rise":
        return await this.#rise(action.record);
      case "kill":
        this.#say(
          action.record,
          "Error R12 (Exit timeout) -> Process failed to exit within 30 seconds of SIGTERM",
          "Stopping remaining processes with SIGKILL",
        );
        return await this.#options.dynos.signal(action.record.id, "SIGKILL");
      case "abandon":
        if (action.step === "remove") this.#clear(action.dynoId);
        else if (action.step === "SIGTERM") await this.#options.dynos.abandon(action.dynoId);
        else await this.#options.dynos.signal(action.dynoId, "SIGKILL");
    }
  }

  /** The release of a one-off dyno or release phase; null when it is gone. */
  async releaseOf(record: DynoRecord, desired: DesiredApp): Promise<DesiredRelease | null> {
    if (desired.release?.id === record.release_id) return desired.release;
    return await this.#options.store.release(record.release_id);
  }

  /** The line that begins every start. */
  announce(record: DynoRecord): void {
    this.#say(record, `Starting process with command \`${record.command}\``);
  }

  async #startSlot(slot: Slot, crashes: number, after: DynoRecord | null, { desired }: Scene): Promise<void> {
    const { store, clock, dynos } = this.#options;
    const release = desired?.release;
    if (desired === null || release === null || release === undefined) return;
    const record = newRecord(slot, { kind: "formation", appId: desired.app.id, releaseId: release.id, now: clock.now() });
    record.crashes = crashes;
    await store.insert(record);
    // Whatever starts a dyno ends the app's sleep.
    if (desired.sleep.since !== null) await store.wake(desired.app.id);
    if (after?.state === "idle") this.#say(record, "Unidling", "State changed from down to starting");
    if (after?.stop_requested === true) this.#say(record, "Restarting");
    else if (after?.state === "up") this.#say(record, "Cycling");
    if (after?.state === "crashed") this.#say(record, "State changed from crashed to starting");
    this.announce(record);
    dynos.launch(record, desired.app, release);
  }

  async #launch(record: DynoRecord, { desired }: Scene): Promise<void> {
    const { store, dynos } = this.#options;
    const release = desired === null ? null : await this.releaseOf(record, desired);
    if (desired === null || release === null) return await this.#retire(record);
    await store.update(record.id, { state: "starting" });
    this.announce(record);
    dynos.launch(record, desired.app, release);
  }

  async #up(record: DynoRecord, { desired }: Scene): Promise<void> {
    const started = this.#options.dynos.facts.get(record.id)?.started ?? null;
    const address = started === null ? {} : { address: started.address, port: started.port };
    await this.#options.store.update(record.id, { state: "up", ...address });
    this.#say(record, "State changed from starting to up");
    if (record.type === "web" && desired?.sleep.may === true) await this.#options.store.woken(record.app_id);
  }

  async #sleep(web: readonly DynoRecord[], appId: string): Promise<void> {
    const { dynos, store, asked } = this.#options;
    // A request that is answered slowly, or a WebSocket: it is written to the request log when it ends.
    if (await dynos.areBusy(web)) asked(appId);
    else await store.sleep(appId);
  }

  /** The router holds new requests already; what came before is looked for once more when the dyno stands still. */
  async #idle(record: DynoRecord, { appId }: Scene): Promise<void> {
    const { dynos, store, asked } = this.#options;
    const isFrozen = await dynos.freeze(record.id);
    if (record.type === "web" && (await dynos.areBusy([record]))) {
      await dynos.thaw(record.id);
      asked(appId);
      await store.wake(appId);
      return;
    }
    await store.update(record.id, { state: "idle" });
    this.#say(record, "Idling");
    if (!isFrozen) {
      this.#say(record, "Stopping all processes with SIGTERM");
      await dynos.hibernate(record.id, "SIGTERM");
    }
    this.#say(record, "State changed from up to down");
  }

  async #hibernated(record: DynoRecord, exitCode: number | null): Promise<void> {
    await this.#options.log.finish(record.id);
    if (exitCode !== null) this.#say(record, `Process exited with status ${exitCode}`);
    this.#options.dynos.remove(record.id);
  }

  async #rise(record: DynoRecord): Promise<void> {
    const { dynos, store } = this.#options;
    await dynos.thaw(record.id);
    await store.update(record.id, { state: "up" });
    this.#say(record, "Unidling", "State changed from down to starting", "State changed from starting to up");
    if (record.type === "web") await store.woken(record.app_id);
  }

  async #stop(record: DynoRecord): Promise<void> {
    await this.#options.store.update(record.id, { state: "stopping" });
    this.#say(record, "Stopping all processes with SIGTERM");
    await this.#options.dynos.signal(record.id, "SIGTERM");
  }

  async #exited(record: DynoRecord, exitCode: number, next: Ending, scene: Scene): Promise<void> {
    // Its last words come before the news of its end.
    await this.#options.log.finish(record.id);
    // A command may end before anybody has seen it up.
    if (record.kind !== "formation" && record.state === "starting") this.#say(record, "State changed from starting to up");
    await this.#options.dynos.sayStrain(record.id, true);
    if (exitCode === KILLED) this.#say(record, ...(await this.#options.dynos.lastMemoryWords(record.id)));
    this.#say(record, `Process exited with status ${exitCode}`);
    await this.#end(record, exitCode, next, scene);
  }

  async #end(record: DynoRecord, exitCode: number | null, next: Ending, scene: Scene): Promise<void> {
    const { store, dynos } = this.#options;
    const code = exitCode === null ? {} : { exit_code: exitCode };
    const state = record.state === "stopping" ? "up" : record.state;
    if (next.state === "crashed") {
      await store.update(record.id, { state: "crashed", crashes: next.crashes, restart_at: next.restartAt, ...code });
      this.#say(record, `State changed from ${state} to crashed`);
      await this.#mention(record, scene);
    } else {
      await store.update(record.id, { state: "down", ...code });
      const hasSuccessor = scene.records.some(
        ({ id, name, state: other }) => id !== record.id && name === record.name && other !== "stopping",
      );
      if (record.kind !== "formation") this.#say(record, `State changed from ${exitCode === null ? state : "up"} to complete`);
      else if (!hasSuccessor) this.#say(record, `State changed from ${state} to down`);
      this.#options.ended(record.id, exitCode);
    }
    dynos.remove(record.id);
  }

  /** A release that does not come up leaves the old one serving, and says so once. */
  async #mention(record: DynoRecord, { desired, records }: Scene): Promise<void> {
    const old = records.find(
      ({ name, state, release_id }) => name === record.name && state === "up" && release_id !== record.release_id,
    );
    if (old === undefined || record.crashes > 0 || desired?.release?.id !== record.release_id) return;
    const serving = await this.#options.store.release(old.release_id);
    const version = serving === null ? "the release before" : `v${serving.version}`;
    this.#say(record, `Release v${desired.release.version} did not come up: ${version} keeps running`);
  }

  async #retire(record: DynoRecord): Promise<void> {
    this.#options.waitingRoom.dismiss(record);
    await this.#options.store.update(record.id, { state: "down" });
    this.#options.dynos.remove(record.id);
    this.#options.ended(record.id, null);
  }

  /** A process whose row has gone with its app has ended. */
  #clear(dynoId: string): void {
    this.#options.dynos.remove(dynoId);
    this.#options.ended(dynoId, null);
  }

  #say(record: DynoRecord, ...messages: string[]): void {
    for (const message of messages) this.#options.log.say({ appId: record.app_id, process: record.name, message });
  }
}

/** A row for an instance that begins now. */
export function newRecord(
  slot: Slot,
  of: { kind: "formation" | "release"; appId: string; releaseId: string; now: Date },
): DynoRecord {
  return {
    id: newId(),
    app_id: of.appId,
    release_id: of.releaseId,
    ...slot,
    state: "starting",
    kind: of.kind,
    attach: false,
    force_no_tty: false,
    env: {},
    attach_digest: null,
    time_to_live: null,
    stop_requested: false,
    crashes: 0,
    restart_at: null,
    address: null,
    port: null,
    created_at: of.now,
    updated_at: of.now,
  };
}
