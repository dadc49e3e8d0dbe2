import type { TLSSocket } from "node:tls";
import type { Clock } from "../kernel/clock.ts";
import type { AttachedDyno } from "./ports.ts";
import { SentinelCutter } from "./sentinel.ts";

/** `heroku run` ends after an hour without a byte in either direction (article "One-Off Dynos"). */
const IDLE_MILLISECONDS = 60 * 60_000;
/** R16: SIGHUP every 5 seconds after the client has gone, and the end after 15. */
const HANGUP_ROUND_MILLISECONDS = 5_000;
const HANGUP_ROUNDS = 3;
/** A trailing Ctrl-D is the end of input if nothing follows this soon. */
const EOF_MILLISECONDS = 100;
/** How long a client may take to read the last bytes after its program has ended. */
const LINGER_MILLISECONDS = 5 * 60_000;
/** Output that waits for a slow client: above the first figure the program has to wait too, until it is below the second. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
const LOW_QUEUED_BYTES = 1024 * 1024;
/** Input that waits for a program that does not read: above this the client has to wait too. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const UNREAD_LOOK_MILLISECONDS = 50;
const CTRL_D = 0x04;

export interface SessionOptions {
  socket: TLSSocket;
  dyno: AttachedDyno;
  /** Whether the program has a terminal: then Ctrl-D is the terminal's affair. */
  hasTerminal: boolean;
  /** What the client has sent behind its secret. */
  early: Buffer;
  clock: Clock;
  /** R16: the program outlives its client and is about to be killed. */
  onDetached(): void;
}

/**
 * Joins a client and its program until one of them goes (heroku-compat §5.2): the greeting in a TLS record of its own, then raw bytes both
 * ways. Resolves when the program has ended and the connection is closed.
 */
export async function runSession(options: SessionOptions): Promise<void> {
  const session = new Session(options);
  try {
    await session.run();
  } finally {
    options.socket.destroy();
  }
}

class Session {
  readonly #options: SessionOptions;
  readonly #cutter = new SentinelCutter();
  readonly #gone = Promise.withResolvers<void>();
  #isGone = false;
  #queue: Promise<void> = Promise.resolve();
  #queued = 0;
  #isPaused = false;
  #isClientHeld = false;
  #lastByte: Date;
  #cancelIdle = (): void => {};
  #cancelEof: (() => void) | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#lastByte = options.clock.now();
  }

  async run(): Promise<void> {
    const { socket, dyno, early } = this.#options;
    socket.on("error", () => this.#hangUp());
    // The client never half-closes: an end of its side is a hang-up.
    socket.on("end", () => this.#hangUp());
    socket.on("close", () => this.#hangUp());
    // It may have gone while the program was being started.
    if (socket.destroyed || socket.readableEnded) this.#hangUp();
    this.#send(Buffer.from("rendezvous\r\n"));
    dyno.onOutput((chunk) => this.#output(chunk));
    if (early.length > 0) this.#input(early);
    socket.on("data", (chunk: Buffer) => this.#input(chunk));
    socket.resume();
    this.#watchIdle();
    const exited = dyno.exited.then(
      () => {},
      () => {},
    );
    await Promise.race([exited, this.#gone.promise]);
    this.#cancelIdle();
    this.#cancelEof?.();
    if (this.#isGone) await this.#hangUpProgram(exited);
    else await this.#finish();
  }

  #output(chunk: Buffer): void {
    this.#touch();
    for (const piece of this.#cutter.push(chunk)) this.#send(piece);
  }

  /** Writes one piece when the one before is flushed, so that each has TLS records of its own; a slow client stops the program's output. */
  #send(piece: Buffer): void {
    const { socket, dyno } = this.#options;
    this.#queued += piece.length;
    if (!this.#isPaused && this.#queued > MAX_QUEUED_BYTES) {
      this.#isPaused = true;
      dyno.pause();
    }
    this.#queue = this.#queue.then(async () => {
      await new Promise<void>((resolve) => {
        if (this.#isGone) resolve();
        else socket.write(piece, () => resolve());
      });
      this.#queued -= piece.length;
      if (this.#isPaused && this.#queued < LOW_QUEUED_BYTES) {
        this.#isPaused = false;
        dyno.resume();
      }
    });
  }

  #input(chunk: Buffer): void {
    const { dyno, hasTerminal, clock } = this.#options;
    this.#touch();
    this.#holdClient();
    if (hasTerminal) {
      dyno.write(chunk);
      return;
    }
    if (this.#cancelEof !== null) {
      this.#cancelEof();
      this.#cancelEof = null;
      dyno.write(Buffer.of(CTRL_D));
    }
    const endsInput = chunk.at(-1) === CTRL_D;
    const text = endsInput ? chunk.subarray(0, -1) : chunk;
    if (text.length > 0) dyno.write(text);
    if (!endsInput) return;
    // The client marks the end of piped input with one Ctrl-D; inside binary input it is a byte like others.
    this.#cancelEof = clock.after(EOF_MILLISECONDS, () => {
      this.#cancelEof = null;
      dyno.end();
    });
  }

  /** Nothing is read from the client while its program has more than enough to read. */
  #holdClient(): void {
    const { socket, dyno, clock } = this.#options;
    if (this.#isClientHeld || this.#isGone || dyno.unread() <= MAX_UNREAD_BYTES) return;
    this.#isClientHeld = true;
    socket.pause();
    clock.after(UNREAD_LOOK_MILLISECONDS, () => {
      this.#isClientHeld = false;
      this.#holdClient();
      if (!this.#isClientHeld && !this.#isGone) socket.resume();
    });
  }

  #touch(): void {
    this.#lastByte = this.#options.clock.now();
  }

  #watchIdle(): void {
    const { clock, socket } = this.#options;
    const silent = clock.now().getTime() - this.#lastByte.getTime();
    if (silent >= IDLE_MILLISECONDS) {
      socket.destroy();
      return;
    }
    this.#cancelIdle = clock.after(IDLE_MILLISECONDS - silent, () => this.#watchIdle());
  }

  #hangUp(): void {
    this.#isGone = true;
    this.#gone.resolve();
  }

  /** The program has ended: the client gets the last bytes, then the end. */
  async #finish(): Promise<void> {
    const { socket, clock } = this.#options;
    const rest = this.#cutter.end();
    if (rest.length > 0) this.#send(rest);
    const cancel = clock.after(LINGER_MILLISECONDS, () => socket.destroy());
    await Promise.race([this.#queue, this.#gone.promise]);
    if (!this.#isGone) socket.end();
    await this.#gone.promise;
    cancel();
  }

  async #hangUpProgram(exited: Promise<void>): Promise<void> {
    const { dyno, clock, onDetached } = this.#options;
    dyno.resume();
    const ended = new AbortController();
    const whenEnded = exited.then(() => ended.abort());
    for (let round = 0; round < HANGUP_ROUNDS && !ended.signal.aborted; round += 1) {
      await dyno.signal("SIGHUP").catch(() => {});
      await clock.sleep(HANGUP_ROUND_MILLISECONDS, ended.signal).catch(() => {});
    }
    if (!ended.signal.aborted) {
      onDetached();
      await dyno.signal("SIGKILL");
    }
    await whenEnded;
  }
}
