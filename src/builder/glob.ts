/** A compiled pattern: whether a path (`/` between its parts, one character a byte) fits. */
export type Glob = (path: string) => boolean;

/** One character of a part of a pattern: itself, or what it may be; null is `*`. */
type Token = string | ((character: string) => boolean) | null;

const MAX_ALTERNATIVES = 64;

/**
 * Compiles a shell pattern: `*` and `?` within a part of a path (not a leading dot), `**` for any parts, `[a-z]`, `[!a-z]`, `{a,b}` and `\`.
 * Matching takes a time of at most pattern length times path length, whatever the pattern: they come from strangers, and the usual
 * translation to regular expressions can take hours.
 */
export function compileGlob(pattern: string): Glob {
  const choices = alternatives(pattern).map((text) => text.split("/").map((part) => (part === "**" ? null : tokensOf(part))));
  return (path) => {
    const parts = path.split("/");
    return choices.some((choice) => fits(choice, parts, (tokens, part) => fitsPart(tokens, part)));
  };
}

/** Two pointers and one mark: a mismatch goes back to the last star (null) only. */
function fits<Pattern, Item>(
  patterns: readonly (Pattern | null)[],
  items: ArrayLike<Item>,
  same: (pattern: Pattern, item: Item) => boolean,
): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let index = 0; index < items.length;) {
    const pattern = patterns[at];
    if (pattern === null) {
      star = at;
      resume = index;
      at += 1;
    } else if (pattern !== undefined && same(pattern, items[index] as Item)) {
      at += 1;
      index += 1;
    } else if (star !== -1) {
      at = star + 1;
      resume += 1;
      index = resume;
    } else return false;
  }
  while (patterns[at] === null) at += 1;
  return at === patterns.length;
}

function fitsPart(tokens: readonly Token[], part: string): boolean {
  if (part.startsWith(".") && typeof tokens[0] !== "string") return false;
  return fits<Exclude<Token, null>, string>(tokens, part, (token, character) =>
    typeof token === "string" ? token === character : token(character),
  );
}

function tokensOf(part: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < part.length; at += 1) {
    const character = part.charAt(at);
    if (character === "*") {
      if (tokens.at(-1) !== null) tokens.push(null);
    } else if (character === "?") tokens.push(() => true);
    else if (character === "\\" && at + 1 < part.length) tokens.push(part.charAt((at += 1)));
    else {
      // A `]` right at the beginning is one of the characters.
      const head = /^\[[!^]?\]?/.exec(part.slice(at))?.[0] ?? "";
      const end = head === "" ? -1 : part.indexOf("]", at + head.length);
      if (end === -1) tokens.push(character);
      else {
        tokens.push(classOf(part.slice(at + 1, end)));
        at = end;
      }
    }
  }
  return tokens;
}

/** The inside of `[…]`. */
function classOf(text: string): (character: string) => boolean {
  const negated = /^[!^]/.test(text);
  const body = negated ? text.slice(1) : text;
  const ranges: [from: string, to: string][] = [];
  for (let at = 0; at < body.length; at += 1) {
    const isRange = body.charAt(at + 1) === "-" && at + 2 < body.length;
    ranges.push([body.charAt(at), body.charAt(isRange ? at + 2 : at)]);
    if (isRange) at += 2;
  }
  return (character) => ranges.some(([from, to]) => character >= from && character <= to) !== negated;
}

/** `a{b,c}` means `ab` and `ac`; where that would be too many, the braces mean themselves. */
function alternatives(pattern: string): string[] {
  let texts = [pattern];
  for (;;) {
    const next = texts.flatMap((text) => {
      const [, before, inside, behind] = /^([^]*?)\{([^{}]*,[^{}]*)\}([^]*)$/.exec(text) ?? [];
      return inside === undefined ? [text] : inside.split(",").map((choice) => `${before}${choice}${behind}`);
    });
    if (next.length === texts.length) return texts;
    if (next.length > MAX_ALTERNATIVES) return [pattern];
    texts = next;
  }
}
