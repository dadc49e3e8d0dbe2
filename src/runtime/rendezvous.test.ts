import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { testCertificate } from "../../test/support/certificate.ts";
import { manualClock, type ManualClock } from "../../test/support/clock.ts";
import { FakeAttached } from "../../test/support/fake-driver.ts";
import { systemClock } from "../kernel/clock.ts";
import { equalInConstantTime, tokenDigest } from "../kernel/ids.ts";
import { openRendezvous } from "./rendezvous.ts";

const { cert, key, ca } = await testCertificate();
const SECRET = "f7031c46-secret";

interface Line {
  clock: ManualClock;
  dyno: FakeAttached;
  detached: () => number;
  /** Connects as `heroku run` does: no server name, the secret as the first line. */
  dial(firstLine?: string): Promise<{ socket: TLSSocket; chunks: string[] }>;
}

async function lineTest(title: string, options: { hasTerminal: boolean }, body: (line: Line) => Promise<void>): Promise<void> {
  await test(title, { timeout: 20_000 }, async () => {
    const clock = manualClock();
    const dyno = new FakeAttached();
    let detached = 0;
    const server = await openRendezvous({
      port: 0,
      cert,
      key,
      clock,
      journal: { note: () => {}, fault: (event, cause) => assert.fail(`${event}: ${String(cause)}`) },
      claim: async (digest) => {
        if (!equalInConstantTime(digest.toString("hex"), tokenDigest(SECRET).toString("hex"))) return null;
        return { hasTerminal: options.hasTerminal, attach: async () => dyno, onDetached: () => void (detached += 1) };
      },
    });
    const sockets: TLSSocket[] = [];
    const dial = async (firstLine = `${SECRET}?x=1\r\n`): Promise<{ socket: TLSSocket; chunks: string[] }> => {
      const socket = connect({ host: "localhost", port: server.port, ca, servername: "", checkServerIdentity: () => undefined });
      sockets.push(socket);
      const chunks: string[] = [];
      socket.setEncoding("utf8");
      socket.on("data", (chunk: string) => chunks.push(chunk));
      socket.on("error", () => {});
      await once(socket, "secureConnect");
      socket.write(firstLine);
      return { socket, chunks };
    };
    try {
      await body({ clock, dyno, detached: () => detached, dial });
    } finally {
      dyno.exit(0);
      for (const socket of sockets) socket.destroy();
      await server.close();
    }
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1_000 && !condition(); tries += 1) await systemClock.sleep(2);
  assert.ok(condition(), condition.toString());
}

const inputOf = (dyno: FakeAttached): string => Buffer.concat(dyno.input).toString();

await lineTest("a program that does not read makes its client wait", { hasTerminal: false }, async ({ clock, dyno, dial }) => {
  const { socket } = await dial();
  dyno.left = 2 * 1024 * 1024;
  const chunk = Buffer.alloc(1024 * 1024);
  let sent = 0;
  const send = (): void => {
    for (; sent < 200 && socket.write(chunk); sent += 1);
    if (sent < 200) socket.once("drain", send);
  };
  send();
  await until(() => dyno.input.length > 0);
  const taken = (): number => dyno.input.reduce((sum, input) => sum + input.length, 0);
  for (let round = 0; round < 20; round += 1) {
    await clock.advance(100);
    await systemClock.sleep(5);
  }
  assert.ok(taken() < 1024 * 1024, `${taken()} bytes were taken`);
  dyno.left = 0;
  for (let rounds = 0; rounds < 2_000 && taken() < 100 * chunk.length; rounds += 1) {
    await clock.advance(100);
    await systemClock.sleep(2);
  }
  assert.ok(taken() >= 100 * chunk.length);
});

await lineTest(
  "the greeting is a chunk of its own, then raw bytes go both ways",
  { hasTerminal: true },
  async ({ dyno, dial }) => {
    const { socket, chunks } = await dial();
    dyno.say("first");
    await until(() => chunks.length > 0);
    assert.equal(chunks[0], "rendezvous\r\n");
    socket.write("ls\n\u0003\u0004");
    await until(() => inputOf(dyno) === "ls\n\u0003\u0004");
    assert.equal(dyno.inputEnded, false);
    dyno.say(" second");
    dyno.exit(0);
    await once(socket, "end");
    assert.equal(chunks.slice(1).join(""), "first second");
  },
);

await lineTest(
  "what is said before the client is greeted is not lost in the greeting's chunk",
  { hasTerminal: true },
  async ({ dyno, dial }) => {
    const onOutput = dyno.onOutput.bind(dyno);
    dyno.onOutput = (listener) => {
      onOutput(listener);
      listener(Buffer.from("early"));
    };
    const { chunks } = await dial();
    await until(() => chunks.join("").includes("early"));
    assert.equal(chunks[0], "rendezvous\r\n");
  },
);

await lineTest("the exit status arrives in one chunk", { hasTerminal: true }, async ({ dyno, dial }) => {
  const { socket, chunks } = await dial();
  await until(() => chunks.length > 0);
  dyno.say(`${"x".repeat(40_000)}\uFFFF heroku-command`);
  dyno.say("-exit-status: 1");
  dyno.say("27\r\n");
  dyno.exit(127);
  await once(socket, "end");
  assert.ok(chunks.some((chunk) => /\uFFFF heroku-command-exit-status: 127/.test(chunk)));
});

await lineTest("without a terminal a final Ctrl-D closes the input", { hasTerminal: false }, async ({ clock, dyno, dial }) => {
  const { socket, chunks } = await dial();
  await until(() => chunks.length > 0);
  socket.write("a\u0004");
  await until(() => inputOf(dyno) === "a");
  // More follows: it was a byte like others.
  socket.write("b");
  await until(() => inputOf(dyno) === "a\u0004b");
  socket.write("\u0004");
  for (let tries = 0; tries < 100 && !dyno.inputEnded; tries += 1) {
    await systemClock.sleep(2);
    await clock.advance(100);
  }
  assert.ok(dyno.inputEnded);
  assert.equal(inputOf(dyno), "a\u0004b");
});

await lineTest(
  "an unknown secret is hung up on, and so is a client that says nothing",
  { hasTerminal: true },
  async ({ clock, dial }) => {
    const stranger = await dial("guess\r\n");
    await once(stranger.socket, "close");
    assert.deepEqual(stranger.chunks, []);
    const { socket } = await dial("no line break");
    const closed = once(socket, "close");
    await systemClock.sleep(20);
    await clock.advance(10_000);
    await closed;
  },
);

await lineTest(
  "R16: a program that survives its client is killed after 15 seconds",
  { hasTerminal: true },
  async ({ clock, dyno, detached, dial }) => {
    const { socket, chunks } = await dial();
    await until(() => chunks.length > 0);
    socket.destroy();
    await until(() => dyno.signals.length > 0);
    await clock.advance(14_999);
    assert.deepEqual(dyno.signals, ["SIGHUP", "SIGHUP", "SIGHUP"]);
    assert.equal(detached(), 0);
    await clock.advance(1);
    assert.deepEqual([dyno.signals.at(-1), detached()], ["SIGKILL", 1]);
  },
);

await lineTest(
  "a program that ends with its client is left alone",
  { hasTerminal: true },
  async ({ clock, dyno, detached, dial }) => {
    const { socket, chunks } = await dial();
    await until(() => chunks.length > 0);
    socket.end();
    await until(() => dyno.signals.length > 0);
    dyno.exit(129);
    await clock.advance(20_000);
    assert.deepEqual([dyno.signals, detached()], [["SIGHUP"], 0]);
  },
);

await lineTest("after an hour of silence the session ends", { hasTerminal: true }, async ({ clock, dyno, dial }) => {
  const { socket, chunks } = await dial();
  await until(() => chunks.length > 0);
  await clock.advance(59 * 60_000);
  dyno.say("x");
  await until(() => chunks.length === 2);
  await clock.advance(59 * 60_000);
  assert.equal(socket.destroyed, false);
  const closed = once(socket, "close");
  await clock.advance(2 * 60_000);
  await closed;
});

await lineTest(
  "a client that does not read makes the program wait, and loses nothing",
  { hasTerminal: false },
  async ({ dyno, dial }) => {
    const { socket, chunks } = await dial();
    await until(() => chunks.length > 0);
    socket.pause();
    const chunk = Buffer.alloc(1024 * 1024, "x");
    let said = 0;
    for (; said < 64 && !dyno.isPaused; said += 1) {
      dyno.say(chunk);
      await systemClock.sleep(1);
    }
    assert.ok(dyno.isPaused, `${said} MB are waiting`);
    socket.resume();
    await until(() => !dyno.isPaused);
    dyno.exit(0);
    await once(socket, "end");
    assert.equal(chunks.slice(1).join("").length, said * chunk.length);
  },
);
