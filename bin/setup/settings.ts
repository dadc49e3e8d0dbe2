import type { Messages } from "../../src/cli/messages.ts";
import { readSettings, type Settings, SettingsError } from "../../src/kernel/settings.ts";

/** The settings of this process's environment; null, with every problem said, when one of them is wrong. */
export function loadSettings(messages: Messages): Settings | null {
  try {
    return readSettings(process.env, process.getuid?.() === 0);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${[messages.wrongSettings, ...error.problems.map((problem) => `  ${problem}`)].join("\n")}\n`);
    return null;
  }
}
