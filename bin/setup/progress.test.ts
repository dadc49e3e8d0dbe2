import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { messagesFor } from "../../src/cli/messages.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import { Progress } from "./progress.ts";

/** A clock whose hands the test turns. */
function handClock(): Clock & { turn(milliseconds: number): void } {
  let now = 0;
  const timers = new Map<object, { at: number; action: () => void }>();
  return {
    now: () => new Date(now),
    sleep: async () => {},
    after: (milliseconds, action) => {
      const key = {};
      timers.set(key, { at: now + milliseconds, action });
      return () => timers.delete(key);
    },
    turn(milliseconds) {
      now += milliseconds;
      for (const [key, timer] of timers) {
        if (timer.at > now) continue;
        timers.delete(key);
        timer.action();
      }
    },
  };
}

function screen(isTTY: boolean): { progress: Progress; clock: ReturnType<typeof handClock>; text(): string } {
  const clock = handClock();
  let text = "";
  const output = { isTTY, columns: 60, write: (chunk: string) => (text += chunk) };
  return { progress: new Progress(output, clock, messagesFor({})), clock, text: () => text };
}

describe("progress", () => {
  it("says nothing about short steps", async () => {
    const { progress, clock, text } = screen(false);
    await progress.step("Stack", async () => clock.turn(1900));
    assert.equal(text(), "");
  });

  it("writes two plain lines where there is no terminal", async () => {
    const { progress, clock, text } = screen(false);
    await progress.step("Stack", async (report) => {
      clock.turn(2000);
      report("extracting archives", 0.3);
      clock.turn(21_000);
    });
    assert.equal(text(), "Stack …\nStack: done in 23 s\n");
  });

  it("moves one line on a terminal, as wide as that is", async () => {
    const { progress, clock, text } = screen(true);
    await Promise.all([
      progress.step("Stack", async (report) => {
        report("extracting archives", 0.3);
        clock.turn(2000);
        report("installing remaining packages inside the chroot", 0.4);
        clock.turn(250);
      }),
      progress.step("uv", async () => {}),
    ]);
    const lines = text().split("\r\u001b[2K");
    assert.equal(lines[1], "\u001b[2mStack: 30% extracting archives (2 s)\u001b[0m");
    const whole = "Stack: 40% installing remaining packages inside the chroot (2 s)";
    assert.equal(lines[2], `\u001b[2m${whole.slice(0, 59)}\u001b[0m`);
  });

  it("lets a failure through", async () => {
    const { progress, text } = screen(false);
    const failing = progress.step("Stack", async () => {
      throw new Error("no mirror");
    });
    await assert.rejects(failing, /no mirror/);
    assert.equal(text(), "");
  });
});
