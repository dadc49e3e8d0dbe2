/** Pages of a list: https://devcenter.heroku.com/articles/platform-api-reference#ranges */

const DEFAULT_MAX = 200;
const HIGHEST_MAX = 1000;

/** What a `Range` header asks for. Bounds are texts; `exclusive` is written as `]` before the bound. */
export interface ListRange {
  attribute: string;
  from: Bound | null;
  to: Bound | null;
  max: number;
  order: "asc" | "desc";
}

interface Bound {
  value: string;
  exclusive: boolean;
  /** Tie-breaker of a `Next-Range` within equal values. */
  id: string | null;
}

/** How a resource is sorted: attribute → its value. The first attribute is the default. */
export type SortKeys<Item> = Record<string, (item: Item) => string | number | Date | null>;

export interface Page<Item> {
  items: Item[];
  contentRange: string;
  /** Where the next page begins; null on the last one. */
  nextRange: string | null;
}

/**
 * Reads `Range: ATTRIBUTE [FROM]..[TO][; max=N][, order=asc|desc]` leniently: parameters separated by `;` or `,` in any order, an
 * empty or unknown header means the default.
 */
export function parseRange(header: string | undefined, attributes: readonly string[]): ListRange {
  const range: ListRange = { attribute: attributes[0] ?? "id", from: null, to: null, max: DEFAULT_MAX, order: "asc" };
  const text = (header ?? "").trim();
  const params = text.split(/[;,]/);
  const head = /^([a-z_]+)(?:\s+(\]?[^\s]*?)\.\.(\]?[^\s]*))?$/i.exec((params[0] ?? "").trim());
  if (head !== null && !(params[0] ?? "").includes("=")) {
    const name = (head[1] ?? "").toLowerCase();
    if (attributes.includes(name)) {
      range.attribute = name;
      range.from = parseBound(head[2]);
      range.to = parseBound(head[3]);
    }
  }
  for (const param of params) {
    const match = /^\s*(max|order)\s*=\s*([a-z0-9]+)\s*$/i.exec(param);
    if (match === null) continue;
    const [, name = "", value = ""] = match;
    if (name.toLowerCase() === "order") range.order = value.toLowerCase() === "desc" ? "desc" : "asc";
    else if (/^\d+$/.test(value)) range.max = Math.min(Math.max(Number(value), 1), HIGHEST_MAX);
  }
  return range;
}

function parseBound(text: string | undefined): Bound | null {
  if (text === undefined || text === "" || text === "]") return null;
  const exclusive = text.startsWith("]");
  const [value = "", id = null] = (exclusive ? text.slice(1) : text).split("~");
  return { value, exclusive, id };
}

interface Entry<Item> {
  item: Item;
  key: string | number;
  id: string;
}

/** Sorts, bounds and cuts a whole list in memory. `idOf` breaks ties, so that no item is lost between two pages. */
export function paginate<Item>(
  items: readonly Item[],
  range: ListRange,
  keys: SortKeys<Item>,
  idOf: (item: Item) => string,
): Page<Item> {
  const keyOf = keys[range.attribute] ?? idOf;
  const sign = range.order === "desc" ? -1 : 1;
  const entries = items
    .map((item): Entry<Item> => ({ item, key: comparable(keyOf(item)), id: idOf(item) }))
    .sort((a, b) => sign * (compare(a.key, b.key) || compare(a.id, b.id)))
    .filter((entry) => isAfter(entry, range.from, sign) && isBefore(entry, range.to, sign));
  const page = entries.slice(0, range.max);
  const [first] = page;
  const last = page.at(-1);
  const order = range.order === "desc" ? ",order=desc" : "";
  const contentRange =
    first === undefined || last === undefined
      ? `${range.attribute} ..; max=${range.max}${order}`
      : `${range.attribute} ${wire(first.key)}..${wire(last.key)}; max=${range.max}${order}`;
  const next = entries[page.length];
  const upper = range.to === null ? "" : `${range.to.exclusive ? "]" : ""}${range.to.value}`;
  const tie = last !== undefined && next?.key === last.key ? `~${last.id}` : "";
  const nextRange =
    next !== undefined && last !== undefined
      ? `${range.attribute} ]${wire(last.key)}${tie}..${upper}; max=${range.max}${order}`
      : null;
  return { items: page.map((entry) => entry.item), contentRange, nextRange };
}

/** Dates are compared as ISO texts, which sort by time. */
function comparable(value: string | number | Date | null): string | number {
  if (value instanceof Date) return value.toISOString();
  return value ?? "";
}

/** Header values hold visible ASCII only; commas, semicolons and tildes mean something in ours. */
function wire(key: string | number): string {
  return encodeURI(String(key)).replace(/[,;~]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareToBound(entry: Entry<unknown>, bound: Bound): number {
  const value = decode(bound.value);
  const key = typeof entry.key === "number" && Number.isFinite(Number(value)) ? Number(value) : value;
  const byKey = compare(entry.key, key);
  return byKey !== 0 || bound.id === null ? byKey : compare(entry.id, bound.id);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isAfter(entry: Entry<unknown>, bound: Bound | null, sign: number): boolean {
  if (bound === null) return true;
  const order = sign * compareToBound(entry, bound);
  return bound.exclusive ? order > 0 : order >= 0;
}

function isBefore(entry: Entry<unknown>, bound: Bound | null, sign: number): boolean {
  if (bound === null) return true;
  const order = sign * compareToBound(entry, bound);
  return bound.exclusive ? order < 0 : order <= 0;
}
