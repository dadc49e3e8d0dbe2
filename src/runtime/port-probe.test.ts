import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { PortProbe } from "./port-probe.ts";

test("a bound port is found, and one that is not bound, or bound elsewhere, is not", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const probe = new PortProbe();
  assert.equal(await probe.isListening(process.pid, port, ["127.0.0.1"]), true);
  assert.equal(await probe.isListening(process.pid, port, ["10.1.2.3"]), false);
  server.close();
  await once(server, "close");
  for (let looks = 0; looks < 60; looks += 1) {
    assert.equal(await probe.isListening(process.pid, port, ["127.0.0.1"]), false);
  }
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  let looks = 0;
  while (!(await probe.isListening(process.pid, port, ["127.0.0.1"]))) looks += 1;
  assert.ok(looks <= 25, `${looks} questions`);
  server.close();
});

test("a process that is gone has no port", async () => {
  assert.equal(await new PortProbe().isListening(2 ** 22 + 1, 80, ["127.0.0.1"]), false);
});
