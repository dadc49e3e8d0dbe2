/** How long things may take, in milliseconds. */
export interface RouterLimits {
  /** One attempt to connect to a dyno: H19, H21. */
  connect: number;
  /** From the connection to the first byte of the answer: H12. */
  firstByte: number;
  /** Silence of a stream or of the client: H15, H28. */
  idle: number;
  /** How long a request waits for a dyno that boots: H20. */
  boot: number;
  /** How long a dyno that refused a connection is left out, when there are others. */
  quarantine: number;
  /** How long a reloaded nginx's former workers may finish their requests and WebSockets: H24. */
  windDown: number;
}

/** Heroku's (article "HTTP Routing"). */
export const HEROKU_LIMITS: RouterLimits = {
  connect: 5_000,
  firstByte: 30_000,
  idle: 55_000,
  boot: 75_000,
  quarantine: 5_000,
  windDown: 600_000,
};

/** After so many requests a connection is closed, on either side of the router. */
export const REQUESTS_PER_CONNECTION = 100_000;
