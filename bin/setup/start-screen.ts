import type { Messages } from "../../src/cli/messages.ts";
import type { Boot } from "./boot.ts";

export interface ScreenFacts {
  boot: Pick<Boot, "settings" | "driver" | "admin" | "version" | "paths">;
  messages: Messages;
  /** From the start of the process until it was ready. */
  seconds: number;
  adminCreated: boolean;
  isTerminal: boolean;
}

const BOLD = "\u001b[1m";
const VIOLET = "\u001b[38;5;99m";
const DIM = "\u001b[2m";
const PLAIN = "\u001b[0m";

/** What `npm start` ends with: addresses, login and the two lines to go on with; where there is no terminal, one or two plain lines. */
export function startScreen(facts: ScreenFacts): string {
  const { boot, messages, adminCreated, isTerminal } = facts;
  const { port, tlsPort } = boot.settings;
  const origin = `http://localhost:${port}/`;
  const ready = messages.ready(facts.seconds.toFixed(1));
  const { email, password, isChosen } = boot.admin;
  // A password of the operator's own is never printed, and a made-up one only when it has become the account's.
  const shown = adminCreated && !isChosen ? password.reveal() : null;
  if (!isTerminal) {
    const login = shown === null ? "" : `${messages.login}: ${email}  ${messages.password}: ${shown}\n`;
    return `${ready} ${origin}\n${login}`;
  }
  const { domain } = boot.settings;
  const rows: [string, string][] = [
    [messages.console, `${origin}  https://localhost:${tlsPort}/`],
    [messages.apps, `http://NAME.${domain}:${port}/  https://NAME.${domain}:${tlsPort}/`],
    [messages.login, email],
  ];
  if (shown !== null) rows.push([messages.password, `${BOLD}${shown}${PLAIN}  ${DIM}(${messages.passwordShownOnce})${PLAIN}`]);
  rows.push(["", ""], [messages.pointCli, `${BOLD}eval "$(npx zarpa env)"${PLAIN}`], [messages.seeStatus, "npx zarpa status"]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => (name === "" ? "" : `  ${DIM}${name.padEnd(width)}${PLAIN}  ${value}`));
  const title = `${BOLD}${VIOLET}Zarpa${PLAIN} ${boot.version}  ${DIM}${boot.paths.home} · ${boot.driver.name}${PLAIN}`;
  return `\n${title}\n\n${lines.join("\n")}\n\n${ready} ${DIM}${messages.stoppingHint}${PLAIN}\n`;
}
