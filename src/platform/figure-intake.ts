import { type Figure, addFigure, bucketOf, count, emptyFigure, isEmpty, measure } from "./figure.ts";

/** Figures of one process of an app in one minute. */
export interface MinuteFigure {
  appId: string;
  /** `web.1`; `router` for requests that no dyno has seen. */
  process: string;
  /** The minute's beginning, milliseconds since 1970. */
  at: number;
  figure: Figure;
}

const MINUTE_MILLISECONDS = 60_000;
/** While the database is away: when more wait, the oldest are given up. */
const MOST_WAITING = 50_000;
const NO_DYNO = "router";
const CODE = /^(?:sock=\w+ )?at=\w+ code=(H\d\d)/;
const DYNO_ERROR = /^Error (R\d\d) /;

/** Gathers figures in memory, minute by minute, until they are taken to the database. */
export class FigureIntake {
  #minutes = new Map<string, MinuteFigure>();
  /** The last place a request was counted in: they come in runs. */
  #last: MinuteFigure | null = null;

  /**
   * One router line. Only its own words are read: the code at the head, and what comes behind the client's address, where nothing is the
   * client's. https://devcenter.heroku.com/articles/http-routing#heroku-router-log-format
   */
  request({ appId, at, message }: { appId: string; at: Date; message: string }): void {
    const tail = message.lastIndexOf('" dyno=');
    if (tail === -1) return;
    const dyno = wordAt(message, tail + 7);
    const { figure } = this.#place(appId, dyno === "" ? NO_DYNO : dyno, at.getTime());
    const code = message.includes(" code=H") ? CODE.exec(message)?.[1] : undefined;
    if (code !== undefined) count(figure, code);
    count(figure, wordAt(message, message.indexOf(" status=", tail) + 8));
    const service = wordAt(message, message.indexOf(" service=", tail) + 9);
    if (service === "") return;
    const bucket = bucketOf(Number.parseInt(service, 10));
    figure.latency[bucket] = (figure.latency[bucket] ?? 0) + 1;
  }

  /** A line of the platform about a dyno: its R codes are counted. */
  line({ appId, process, message, at }: { appId: string; process: string; message: string; at: Date }): void {
    const code = DYNO_ERROR.exec(message)?.[1];
    if (code !== undefined) count(this.#place(appId, process, at.getTime()).figure, code);
  }

  /** Measured values of a dyno, by name. */
  sample(appId: string, process: string, at: Date, values: Record<string, number>): void {
    const { figure } = this.#place(appId, process, at.getTime());
    for (const [name, value] of Object.entries(values)) measure(figure, name, value);
  }

  /** Hands over what was gathered. */
  take(): MinuteFigure[] {
    const taken = [...this.#minutes.values()].filter(({ figure }) => !isEmpty(figure));
    this.#minutes = new Map();
    this.#last = null;
    return taken;
  }

  /** What could not be stored waits for the next time; returns how many were given up. */
  giveBack(figures: readonly MinuteFigure[]): number {
    for (const { appId, process, at, figure } of figures) addFigure(this.#place(appId, process, at).figure, figure);
    const keys = [...this.#minutes].sort(([, a], [, b]) => a.at - b.at).map(([key]) => key);
    const surplus = keys.slice(0, Math.max(0, keys.length - MOST_WAITING));
    for (const key of surplus) this.#minutes.delete(key);
    this.#last = null;
    return surplus.length;
  }

  #place(appId: string, process: string, milliseconds: number): MinuteFigure {
    const at = milliseconds - (milliseconds % MINUTE_MILLISECONDS);
    const last = this.#last;
    if (last !== null && last.at === at && last.appId === appId && last.process === process) return last;
    const key = `${at} ${appId} ${process}`;
    let place = this.#minutes.get(key);
    if (place === undefined) {
      place = { appId, process, at, figure: emptyFigure() };
      this.#minutes.set(key, place);
    }
    this.#last = place;
    return place;
  }
}

function wordAt(text: string, start: number): string {
  const end = text.indexOf(" ", start);
  return end === -1 ? text.slice(start) : text.slice(start, end);
}
