import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commonNeeds, containerNeeds, installCommand, missingPackages, tellStatus } from "./packages.ts";

describe("system packages", () => {
  it("are missing when what they bring is", () => {
    const needs = [
      { package: "there", isMet: () => true },
      { package: "missing", isMet: () => false },
    ];
    assert.deepEqual(missingPackages(needs), ["missing"]);
    assert.equal(installCommand(["a", "b"]), "apt-get update && apt-get install --no-install-recommends -y a b");
  });

  it("leave PostgreSQL out for an operator's own server, and pip where uv is there", () => {
    const names = (options: Parameters<typeof commonNeeds>[0]): string[] => commonNeeds(options).map((need) => need.package);
    assert.ok(names({ privateDatabase: true, uv: true }).includes("postgresql"));
    const fewest = names({ privateDatabase: false, uv: false });
    assert.ok(!fewest.includes("postgresql") && !fewest.includes("python3-venv") && fewest.includes("nginx"));
    assert.ok(containerNeeds().some((need) => need.package === "conmon"));
  });

  it("tell how far apt is, downloads being the first third", () => {
    const told: [string, number | undefined][] = [];
    for (const line of [
      "dlstatus:1:30.0:Retrieving file 1 of 9",
      "pmstatus:nginx:50.0:Unpacking nginx (amd64)",
      "Get:1 x",
      "0% [Working]",
    ]) {
      tellStatus(line, (detail, fraction) => told.push([detail, fraction]));
    }
    assert.deepEqual(told, [
      ["Retrieving file 1 of 9", 0.1],
      ["Unpacking nginx (amd64)", 200 / 300],
    ]);
  });
});
