import assert from "node:assert/strict";
import { test } from "node:test";
import { type Page, paginate, parseRange, type SortKeys } from "./range.ts";

interface Item {
  id: string;
  version: number;
  created_at: Date;
}

const items: Item[] = Array.from({ length: 45 }, (_, index) => ({
  id: `id-${String(index).padStart(2, "0")}`,
  version: index + 1,
  // Nine items share each moment.
  created_at: new Date(Date.UTC(2026, 0, 1 + (index % 5))),
}));
const keys: SortKeys<Item> = { version: (item) => item.version, created_at: (item) => item.created_at };
const attributes = ["version", "created_at", "id"];

test("every spelling seen on the wire is understood", () => {
  const read = (header: string | undefined): unknown[] => {
    const { attribute, order, max } = parseRange(header, attributes);
    return [attribute, order, max];
  };
  assert.deepEqual(read("version ..; order=desc,max=1"), ["version", "desc", 1]);
  assert.deepEqual(read("version ..; max=15, order=desc"), ["version", "desc", 15]);
  assert.deepEqual(read("version ..; order=desc"), ["version", "desc", 200]);
  assert.deepEqual(read("id ..; max=1000;"), ["id", "asc", 1000]);
  assert.deepEqual(read("created_at ..; max=10, order=desc"), ["created_at", "desc", 10]);
  assert.deepEqual(read("id"), ["id", "asc", 200]);
  assert.deepEqual(read("max=5"), ["version", "asc", 5]);
  assert.deepEqual(read("nonsense ..; max=0"), ["version", "asc", 1]);
  assert.deepEqual(read("version ..; max=99999"), ["version", "asc", 1000]);
  for (const header of [undefined, "", "  ", ";;;", "bytes=0-5"]) assert.deepEqual(read(header), ["version", "asc", 200]);
});

test("bounds are inclusive unless they are marked", () => {
  const versions = (header: string): number[] =>
    paginate(items, parseRange(header, attributes), keys, (item) => item.id).items.map((item) => item.version);
  assert.deepEqual(versions("version 43.."), [43, 44, 45]);
  assert.deepEqual(versions("version ]43.."), [44, 45]);
  assert.deepEqual(versions("version ..2"), [1, 2]);
  assert.deepEqual(versions("version 2..4"), [2, 3, 4]);
  assert.deepEqual(versions("version 4..2; order=desc"), [4, 3, 2]);
  assert.deepEqual(versions("version ]10..; order=desc, max=2"), [9, 8]);
});

for (const head of ["version ..", "created_at ..", "id ..", "created_at ..; order=desc", "version ..; order=desc"]) {
  test(`a walk by Next-Range over "${head}" meets every item once`, () => {
    const seen: string[] = [];
    let header: string | null = `${head}${head.includes(";") ? "," : ";"} max=7`;
    for (let pages = 0; header !== null; pages += 1) {
      assert.ok(pages < 10);
      const page: Page<Item> = paginate(items, parseRange(header, attributes), keys, (item) => item.id);
      assert.ok(page.items.length <= 7);
      seen.push(...page.items.map((item) => item.id));
      header = page.nextRange;
    }
    assert.equal(new Set(seen).size, items.length);
    assert.equal(seen.length, items.length);
  });
}

test("Content-Range says what came, also when nothing did", () => {
  const page = paginate(items, parseRange("version ..; max=3", attributes), keys, (item) => item.id);
  assert.equal(page.contentRange, "version 1..3; max=3");
  assert.equal(page.nextRange, "version ]3..; max=3");
  const empty = paginate([], parseRange(undefined, attributes), keys, (item: Item) => item.id);
  assert.deepEqual([empty.contentRange, empty.nextRange], ["version ..; max=200", null]);
});

test("values that a header may not hold are encoded", () => {
  const named = [
    { id: "1", name: "andú; uno, ~dos" },
    { id: "2", name: "zorro" },
  ];
  const range = parseRange("name ..; max=1", ["name"]);
  const page = paginate(named, range, { name: (item) => item.name }, (item) => item.id);
  assert.match(page.nextRange ?? "", /^[\x21-\x7e ]+$/);
  const rest = paginate(named, parseRange(page.nextRange ?? "", ["name"]), { name: (item) => item.name }, (item) => item.id);
  assert.deepEqual(
    rest.items.map((item) => item.id),
    ["2"],
  );
});
