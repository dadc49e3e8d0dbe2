import { type PacketReader, ProtocolError } from "./packet.ts";

/** One ref that a push creates, moves or deletes. Object names are 40 hexadecimal digits; 40 zeros mean "none". */
export interface RefCommand {
  ref: string;
  from: string;
  to: string;
}

/** What a push asks for, before its pack. */
export interface PushOrder {
  commands: RefCommand[];
  capabilities: Set<string>;
  shallow: boolean;
}

export const NO_OBJECT = "0".repeat(40);

/**
 * What we can do, as advertised to the pushing client (gitprotocol-capabilities(5)). Not `quiet`: git asks for it whenever its
 * output is no terminal, and a CI job must see the build.
 */
export const PUSH_CAPABILITIES = "report-status delete-refs side-band-64k atomic ofs-delta object-format=sha1 agent=zarpa";

/** Branches whose push makes a build; Heroku's two. */
const DEPLOY_REFS: readonly string[] = ["refs/heads/main", "refs/heads/master"];

const MOST_LINES = 5000;
const MOST_BYTES = 4 * 1024 ** 2;
const COMMAND = /^([0-9a-f]{40}) ([0-9a-f]{40}) (\S+)$/;

/** Reads the commands of a push up to their flush packet. An order without commands is git's probe of the connection. */
export async function readPushOrder(packets: PacketReader): Promise<PushOrder> {
  const order: PushOrder = { commands: [], capabilities: new Set(), shallow: false };
  let bytes = 0;
  for (let lines = 0; ; lines += 1) {
    const payload = await packets.next();
    if (payload === null) return order;
    bytes += payload.length;
    if (bytes > MOST_BYTES) throw new ProtocolError(`the order of a push can have ${MOST_BYTES} bytes at most`);
    if (lines >= MOST_LINES) throw new ProtocolError(`a push can change ${MOST_LINES} refs at most`);
    const [line = "", capabilities] = payload.toString("utf8").replace(/\n$/, "").split("\0");
    if (capabilities !== undefined) order.capabilities = new Set(capabilities.trim().split(" "));
    if (line.startsWith("shallow ")) {
      order.shallow = true;
      continue;
    }
    const [, from, to, ref] = COMMAND.exec(line) ?? [];
    if (from === undefined || to === undefined || ref === undefined)
      throw new ProtocolError("a command of the push is malformed");
    order.commands.push({ from, to, ref });
  }
}

/** Why a command is refused whatever the repository holds, or null. The text ends up in git's `! [remote rejected] … (text)`. */
export function refusalOf(command: RefCommand): string | null {
  if (!isStorableRef(command.ref)) return "funny refname";
  if (command.to !== NO_OBJECT) return null;
  return DEPLOY_REFS.includes(command.ref) ? "deletion of the deployed branch prohibited" : null;
}

/** The command that makes the build: `main` before `master`. */
export function deployCommand(commands: readonly RefCommand[]): RefCommand | null {
  for (const ref of DEPLOY_REFS) {
    const found = commands.find((command) => command.ref === ref && command.to !== NO_OBJECT);
    if (found !== undefined) return found;
  }
  return null;
}

/** Branches and tags with names that git-check-ref-format(1) allows, and that cannot stand in the way of `main` or `master`. */
function isStorableRef(ref: string): boolean {
  if (!/^refs\/(heads|tags)\/./.test(ref) || ref.length > 1024) return false;
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/$|\.$/.test(ref)) return false;
  if (ref.split("/").some((part) => part.startsWith(".") || part.endsWith(".lock") || part.startsWith("-"))) return false;
  return !DEPLOY_REFS.some((deployed) => ref.startsWith(`${deployed}/`)) && ref !== "refs/heads/HEAD";
}
