import type { ServerResponse } from "node:http";
import { type Deployer, deploy, DECLINED, showReleasePhase } from "./deploy.ts";
import type { PacketReader } from "./packet.ts";
import { deployCommand, NO_OBJECT, type PushOrder, readPushOrder, type RefCommand, refusalOf } from "./push-order.ts";
import { PushOutput } from "./push-output.ts";
import { PACK_LIMIT_BYTES, Quarantine, UnpackError } from "./quarantine.ts";
import type { Repositories } from "./repositories.ts";
import type { Repository } from "./repository.ts";
import { CHECKOUT_LIMIT_BYTES, PushedSource } from "./source.ts";
import type { Turns } from "./turns.ts";

export interface Receiver extends Deployer {
  repositories: Repositories;
  turns: Turns;
  packLimitBytes?: number;
}

export interface Push {
  app: { id: string; name: string };
  accountId: string;
  packets: PacketReader;
  response: ServerResponse;
}

/** A command with its verdict: refused with a text, or (null) done at the end. */
interface Verdict {
  command: RefCommand;
  refused: string | null;
}

const ATOMIC_FAILURE = "atomic push failure";
const NOT_CONNECTED = "missing necessary objects";
const NOT_UPDATED = "failed to update ref";
const SHALLOW =
  " !     Push rejected, source repository is a shallow clone. Unshallow it with `git fetch --all --unshallow` and try pushing again.\n";

/**
 * git-receive-pack(1) for one request. Objects wait in a quarantine and refs stay where they are until the build has made its
 * release, so a push that is refused or fails leaves the repository exactly as it was.
 */
export async function receivePush(receiver: Receiver, push: Push): Promise<void> {
  const { response, packets } = push;
  const order = await readPushOrder(packets);
  // git probes the connection with an empty order before it sends a large pack.
  if (order.commands.length === 0) {
    response.writeHead(200, RESULT_HEADERS).end();
    return;
  }
  if (deployCommand(order.commands) !== null) receiver.platform.expectBuild?.(push.app.id);
  receiver.repositories.pushBegins(push.app.id);
  try {
    const repository = await receiver.repositories.open(push.app.id);
    await receive(receiver, push, order, repository);
  } finally {
    settle(receiver, push.app.id).catch((error: unknown) => {
      receiver.journal.fault("git.settle_failed", error, { app_id: push.app.id });
    });
  }
}

/** What a push leaves to do: not at once, since a release is starting its dynos now. */
async function settle({ clock, repositories, platform }: Receiver, appId: string): Promise<void> {
  try {
    await clock.sleep(SETTLING_MILLISECONDS);
    if (repositories.has(appId)) await platform.repositoryChanged(appId, await (await repositories.open(appId)).size());
  } finally {
    await repositories.pushEnds(appId);
  }
}

const SETTLING_MILLISECONDS = 1000;

const RESULT_HEADERS = {
  "content-type": "application/x-git-receive-pack-result",
  "cache-control": "no-cache, max-age=0, must-revalidate",
  // The router must pass each line on as it comes.
  "x-accel-buffering": "no",
};

async function receive(receiver: Receiver, push: Push, order: PushOrder, repository: Repository): Promise<void> {
  const source = new PushedSource(receiver.buildsFolder);
  const quarantine = await Quarantine.open(repository);
  let ending: Ending;
  let output: PushOutput;
  try {
    const carriesPack = order.commands.some(({ to }) => to !== NO_OBJECT);
    const unpack = carriesPack
      ? await quarantine.receive(push.packets, receiver.packLimitBytes ?? PACK_LIMIT_BYTES)
      : async () => {};
    // Not a byte before the request's last one: nginx stops passing the request on as soon as the answer begins.
    push.response.writeHead(200, RESULT_HEADERS);
    output = new PushOutput(push.response, order.capabilities, receiver.clock);
    const verdicts: Verdict[] = order.commands.map((command) => ({
      command,
      refused: order.shallow ? "shallow update not allowed" : refusalOf(command),
    }));
    if (order.shallow) await output.complaint(SHALLOW);
    const atomic = order.capabilities.has("atomic");
    ending = await decide(receiver, push, { verdicts, heart: null, source, quarantine, repository, output, atomic }, unpack);
  } finally {
    await Promise.all([quarantine.drop(), source.drop()]);
  }
  if (ending.buildId !== null) await showReleasePhase(receiver.platform, ending.buildId, output);
  await output.end(ending.unpacked, ending.outcomes);
}

interface Ending {
  /** The report's first line: `ok`, or why the pack was not taken. */
  unpacked: string;
  outcomes: { ref: string; refused: string | null }[];
  buildId: string | null;
}

/** From the received pack to a verdict on each ref. */
async function decide(
  receiver: Receiver,
  push: Push,
  acceptance: Acceptance,
  unpack: (onProgress: (chunk: Buffer) => void) => Promise<void>,
): Promise<Ending> {
  const { verdicts, source, quarantine, repository, output, atomic } = acceptance;
  let unpacked = "ok";
  let buildId: string | null = null;
  try {
    await unpack((chunk) => void output.text(chunk));
    if (atomic && verdicts.some(({ refused }) => refused !== null)) refuseAll(verdicts, ATOMIC_FAILURE);
    const commands = open(verdicts).map(({ command }) => command);
    const heart = deployCommand(commands);
    const tips = commands.map(({ to }) => to).filter((tip) => tip !== NO_OBJECT);
    // The files are written out while the objects are still being checked: the pushing user waits for the longer of the two only.
    const [connected] = await Promise.all([
      tips.length === 0 || quarantine.isConnected(tips),
      heart && source.write(repository, heart.to, quarantine.env, receiver.checkoutLimitBytes ?? CHECKOUT_LIMIT_BYTES),
    ]);
    if (!connected) refuseAll(verdicts, NOT_CONNECTED);
    buildId = await accept(receiver, push, { ...acceptance, heart: connected ? heart : null });
  } catch (error) {
    if (error instanceof UnpackError) {
      unpacked = error.message;
      refuseAll(verdicts, "unpacker error");
      await output.complaint(` !     Push rejected, ${error.message}.\n`);
    } else {
      receiver.journal.fault("git.push_failed", error, { app_id: push.app.id });
      refuseAll(verdicts, "internal error");
      await output.complaint(
        " !     The platform failed while it stored the push; the operator finds the cause in its journal.\n",
      );
    }
  }
  return { unpacked, buildId, outcomes: verdicts.map(({ command, refused }) => ({ ref: command.ref, refused })) };
}

interface Acceptance {
  verdicts: Verdict[];
  /** The command that makes the build, if any. */
  heart: RefCommand | null;
  source: PushedSource;
  quarantine: Quarantine;
  repository: Repository;
  output: PushOutput;
  atomic: boolean;
}

/** Deploys, then stores; the id of the build, if one was made. When the deployed branch is declined, nothing of the push is stored. */
async function accept(receiver: Receiver, push: Push, acceptance: Acceptance): Promise<string | null> {
  const { verdicts, heart, output } = acceptance;
  if (heart === null) {
    await store(acceptance, open(verdicts));
    const branches = verdicts.filter(({ command, refused }) => refused === null && isNewBranch(command));
    if (branches.length > 0) await output.text("Pushed to non-main branch, skipping build.\n");
    return null;
  }
  const release = await receiver.turns.take(push.app.id, async () => {
    await output.text(`Another push to ${push.app.name} is being built. Waiting for it to end...\n`);
  });
  try {
    if (output.abandoned) {
      refuseAll(verdicts, "abandoned");
      return null;
    }
    const verdict = await place(acceptance, heart, push.app.name);
    if (verdict === "refused") return null;
    let buildId: string | null = null;
    if (verdict === "build") {
      const deployment = {
        app: push.app,
        accountId: push.accountId,
        commit: heart.to,
        source: acceptance.source,
        again: heart.from !== NO_OBJECT,
      };
      buildId = await deploy(receiver, deployment, output);
      if (buildId === null) {
        refuseAll(verdicts, DECLINED);
        await output.complaint(`Verifying deploy...\n\n!\tPush rejected to ${push.app.name}.\n\n`);
        return null;
      }
    }
    await store(acceptance, open(verdicts));
    await acceptance.repository.setHead(heart.ref);
    if (buildId !== null) await output.text("Verifying deploy... done.\n");
    return buildId;
  } finally {
    release();
  }
}

/**
 * Where the branch stands now that it is this push's turn. It may have moved since the client looked: then the push goes on if it
 * contains what came meanwhile.
 */
async function place(acceptance: Acceptance, heart: RefCommand, appName: string): Promise<"build" | "stored" | "refused"> {
  const { repository, quarantine, output, verdicts } = acceptance;
  const now = (await repository.ref(heart.ref)) ?? NO_OBJECT;
  if (now === heart.from) return "build";
  if (now === heart.to) {
    heart.from = now;
    await output.text(`${appName} already runs this commit.\n`);
    return "stored";
  }
  if (now !== NO_OBJECT && (await repository.isAncestor(now, heart.to, quarantine.env))) {
    heart.from = now;
    return "build";
  }
  await output.complaint(
    ` !     Push rejected, another push has moved the branch to ${now.slice(0, 7)} meanwhile. Fetch and merge it, or push again with --force.\n`,
  );
  refuseAll(verdicts, "fetch first");
  return "refused";
}

/** Makes the objects part of the repository and moves the refs: the deployed branch by itself, so that no other ref can hold it up. */
async function store(acceptance: Acceptance, accepted: readonly Verdict[]): Promise<void> {
  if (accepted.length === 0) return;
  const { repository, quarantine, atomic, heart } = acceptance;
  await quarantine.migrate();
  const others = atomic ? [...accepted] : accepted.filter(({ command }) => command !== heart);
  const first = accepted.find(({ command }) => command === heart);
  if (!atomic && first !== undefined && !(await repository.update([first.command]))) first.refused = NOT_UPDATED;
  if (others.length === 0 || (await repository.update(others.map(({ command }) => command)))) return;
  // One of them cannot be: find out which.
  for (const verdict of others) {
    if (atomic || !(await repository.update([verdict.command]))) verdict.refused = atomic ? ATOMIC_FAILURE : NOT_UPDATED;
  }
}

function open(verdicts: readonly Verdict[]): Verdict[] {
  return verdicts.filter(({ refused }) => refused === null);
}

function refuseAll(verdicts: readonly Verdict[], why: string): void {
  for (const verdict of verdicts) verdict.refused ??= why;
}

function isNewBranch(command: RefCommand): boolean {
  return command.ref.startsWith("refs/heads/") && command.to !== NO_OBJECT;
}
