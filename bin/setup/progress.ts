import type { Clock } from "../../src/kernel/clock.ts";
import type { Messages } from "../../src/cli/messages.ts";

/** Shorter steps are not worth a line. */
const SILENT_MS = 2000;
const REDRAW_MS = 250;
const DIM = "\u001b[2m";
const GREEN = "\u001b[32m";
const PLAIN = "\u001b[0m";
const CLEAR_LINE = "\r\u001b[2K";

/** Tells how far a step is: what is being done now and, if known, the share that is done (0 to 1). */
export type Report = (detail: string, fraction?: number) => void;

interface Step {
  name: string;
  startedAt: number;
  detail: string;
}

interface Output {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/**
 * Shows what takes its time: on a terminal one line that moves, elsewhere a plain line at the beginning and one at the end. A step that
 * is over within two seconds is not mentioned.
 */
export class Progress {
  readonly #output: Output;
  readonly #clock: Clock;
  readonly #messages: Messages;
  readonly #steps = new Set<Step>();
  #cancelRedraw: (() => void) | null = null;

  constructor(output: Output, clock: Clock, messages: Messages) {
    this.#output = output;
    this.#clock = clock;
    this.#messages = messages;
  }

  /** Does the work of a step under its name. Steps may run side by side. */
  async step<Result>(name: string, work: (report: Report) => Promise<Result>): Promise<Result> {
    const step: Step = { name, startedAt: this.#now(), detail: "" };
    this.#steps.add(step);
    let told = false;
    const cancel = this.#clock.after(SILENT_MS, () => {
      told = true;
      if (this.#output.isTTY !== true) this.say(`${name} …`);
    });
    if (this.#cancelRedraw === null && this.#output.isTTY === true) this.#redrawLater(SILENT_MS);
    try {
      const result = await work((detail, fraction) => {
        step.detail = fraction === undefined ? detail : `${Math.round(fraction * 100)}% ${detail}`;
      });
      const seconds = ((this.#now() - step.startedAt) / 1000).toFixed(0);
      if (told) this.say(`${this.#mark()}${this.#messages.done(name, seconds)}`);
      return result;
    } finally {
      cancel();
      this.#steps.delete(step);
      if (this.#steps.size === 0) this.#stopRedraw();
    }
  }

  /** A line that stays. */
  say(line: string): void {
    this.#output.write(`${this.#output.isTTY === true ? CLEAR_LINE : ""}${line}\n`);
  }

  #mark(): string {
    return this.#output.isTTY === true ? `${GREEN}✔${PLAIN} ` : "";
  }

  #now(): number {
    return this.#clock.now().getTime();
  }

  #redrawLater(milliseconds: number): void {
    this.#cancelRedraw = this.#clock.after(milliseconds, () => {
      this.#output.write(`${CLEAR_LINE}${DIM}${this.#line()}${PLAIN}`);
      this.#redrawLater(REDRAW_MS);
    });
  }

  #stopRedraw(): void {
    this.#cancelRedraw?.();
    this.#cancelRedraw = null;
    if (this.#output.isTTY === true) this.#output.write(CLEAR_LINE);
  }

  #line(): string {
    const now = this.#now();
    const parts = [...this.#steps].map(({ name, startedAt, detail }) => {
      const seconds = Math.floor((now - startedAt) / 1000);
      return `${name}${detail === "" ? "" : `: ${detail}`} (${seconds} s)`;
    });
    return parts.join(" · ").slice(0, (this.#output.columns ?? 80) - 1);
  }
}
