/** What happened in one stretch of time in one process of an app: numbers that add up, over time and over processes. */
export interface Figure {
  /** How often: HTTP statuses (`200`), router codes (`H12`), dyno codes (`R14`). */
  counters: Record<string, number>;
  /** Response times: how many answers by bucket; see `bucketOf`. */
  latency: Record<string, number>;
  /** Measured values: how many, their sum, the greatest. */
  gauges: Record<string, Gauge>;
}

export type Gauge = [count: number, sum: number, greatest: number];

/** A bucket is 2^(1/8) times as wide as the one before: a percentile is right within 4.5 %. */
const BUCKETS_PER_DOUBLING = 8;

export function emptyFigure(): Figure {
  return { counters: {}, latency: {}, gauges: {} };
}

export function isEmpty({ counters, latency, gauges }: Figure): boolean {
  return [counters, latency, gauges].every((part) => Object.keys(part).length === 0);
}

export function count(figure: Figure, name: string, times = 1): void {
  figure.counters[name] = (figure.counters[name] ?? 0) + times;
}

export function measure(figure: Figure, name: string, value: number): void {
  const gauge = (figure.gauges[name] ??= [0, 0, value]);
  gauge[0] += 1;
  gauge[1] += value;
  gauge[2] = Math.max(gauge[2], value);
}

/** Adds `other` to `figure`. */
export function addFigure(figure: Figure, other: Figure): void {
  for (const [name, times] of Object.entries(other.counters)) count(figure, name, times);
  for (const [bucket, times] of Object.entries(other.latency)) figure.latency[bucket] = (figure.latency[bucket] ?? 0) + times;
  for (const [name, [times, sum, greatest]] of Object.entries(other.gauges)) {
    const gauge = (figure.gauges[name] ??= [0, 0, greatest]);
    gauge[0] += times;
    gauge[1] += sum;
    gauge[2] = Math.max(gauge[2], greatest);
  }
}

/** Which bucket a response time is in: bucket 0 is up to 1 ms, bucket 8 up to 2 ms, bucket 16 up to 4 ms. */
export function bucketOf(milliseconds: number): number {
  return milliseconds <= 1 ? 0 : Math.ceil(Math.log2(milliseconds) * BUCKETS_PER_DOUBLING - 1e-9);
}

/** The greatest response time of a bucket, in milliseconds. */
export function boundOf(bucket: number): number {
  return 2 ** (bucket / BUCKETS_PER_DOUBLING);
}

/** The response time, in milliseconds, that `share` (0.95) of the answers did not exceed; null: there was no answer. */
export function percentile(latency: Figure["latency"], share: number): number | null {
  const buckets = Object.entries(latency)
    .map(([bucket, times]) => [Number(bucket), times] as const)
    .sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, times]) => sum + times, 0);
  let seen = 0;
  for (const [bucket, times] of buckets) {
    seen += times;
    // The middle of the bucket, on its own scale.
    if (seen >= share * total) return boundOf(bucket - 0.5);
  }
  return null;
}
