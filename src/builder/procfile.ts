const DECLARATION = /^([A-Za-z0-9_-]{1,128}):\s*(\S.*)$/;
/** A word and a command without the colon between: what beginners write. */
const MISSING_COLON = /^([A-Za-z0-9_-]{1,128})\s*:?\s+(\S.*)$/;
const SHOWN_LENGTH = 60;
/** How much of a line is looked at to guess what was meant: the guess goes back and forth over blanks. */
const GUESSED_LENGTH = 300;

/** What a Procfile says. With `problems` the build fails; `warnings` are only shown. */
export interface Procfile {
  /** Process type → command. */
  types: Record<string, string>;
  problems: string[];
  warnings: string[];
}

/**
 * Reads a Procfile: one `type: command` a line, `#` comments, any line ending. Every problem names its line and, where it can be
 * guessed, what was meant. (Dev Center: "The Procfile".)
 */
export function parseProcfile(text: string): Procfile {
  const types = new Map<string, { command: string; line: number }>();
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = raw.trim();
    const number = index + 1;
    if (line === "" || line.startsWith("#")) continue;
    const [, type, command] = DECLARATION.exec(line) ?? [];
    if (type === undefined || command === undefined) {
      problems.push(`Procfile line ${number}: ${explain(line)}`);
      continue;
    }
    const earlier = types.get(type);
    if (earlier !== undefined) {
      warnings.push(`Procfile line ${number}: "${type}" was declared on line ${earlier.line} already; the last one counts.`);
    }
    types.set(type, { command: command.trim(), line: number });
  }
  return { types: Object.fromEntries([...types].map(([type, { command }]) => [type, command])), problems, warnings };
}

/** Files that were meant to be the Procfile but are not called so. */
export function misnamedProcfile(names: readonly string[]): string | null {
  if (names.includes("Procfile")) return null;
  return names.find((name) => /^procfile(\.(txt|md|yml|yaml|procfile))?$/i.test(name)) ?? null;
}

function explain(line: string): string {
  const shown = line.length > SHOWN_LENGTH ? `${line.slice(0, SHOWN_LENGTH)}…` : line;
  if (/^[A-Za-z0-9_-]+:$/.test(line)) return `"${shown}" has no command: write it as "${line} COMMAND".`;
  const [, type, command] = MISSING_COLON.exec(line.slice(0, GUESSED_LENGTH)) ?? [];
  if (type === undefined || command === undefined) {
    return `"${shown}" is not a process type and its command: write "TYPE: COMMAND", the type in letters, digits, "-" and "_".`;
  }
  const meant = `${type}: ${command}`;
  return `"${shown}" is not a process type and its command; did you mean "${meant.slice(0, SHOWN_LENGTH)}"?`;
}
