import { request } from "node:http";
import type { Clock } from "../kernel/clock.ts";
import type { HealthCheck } from "./health-check.ts";

export interface HealthProbe {
  check: HealthCheck;
  address: string;
  port: number;
  /** The Host header: the app's own name, since frameworks refuse others. */
  host: string;
  clock: Clock;
  /** No attempt begins after it. */
  deadline: Date;
  signal: AbortSignal;
  /** False: the dyno is gone, and there is nothing to be asked any more. */
  isWanted(): boolean;
}

const MAX_BODY_BYTES = 1024 * 1024;
const FIRST_REFUSAL = 400;

/**
 * Asks the dyno itself, not through the router, until it answers well or has failed for good: then the reason, in words for the app's
 * author; else null.
 */
export async function probeHealth(probe: HealthProbe): Promise<string | null> {
  const { check, clock, deadline, signal } = probe;
  await clock.sleep(check.initialDelayMilliseconds, signal);
  for (let failures = 1; ; failures += 1) {
    const problem = await ask(probe);
    if (problem === null || !probe.isWanted()) return null;
    const isLate = clock.now().getTime() + check.waitMilliseconds >= deadline.getTime();
    if (failures >= check.attempts || isLate) {
      const times = failures === 1 ? "once" : `${failures} times`;
      return `Health check GET ${check.path} failed ${times}${isLate ? " within the boot time" : ""}: ${problem}`;
    }
    await clock.sleep(check.waitMilliseconds, signal);
  }
}

/** One request; null: the answer is good, below 400 and with the wanted content. */
async function ask({ check, address, port, host, clock, signal }: HealthProbe): Promise<string | null> {
  return await new Promise((resolve) => {
    const outgoing = request(
      {
        host: address.replace(/^\[(.*)\]$/, "$1"),
        port,
        path: check.path,
        agent: false,
        signal,
        headers: { host, "user-agent": "Zarpa-HealthCheck/1", accept: "*/*", "x-forwarded-proto": "https" },
      },
      (answer) => {
        const { statusCode: status = 0, statusMessage = "" } = answer;
        const chunks: Buffer[] = [];
        let size = 0;
        answer.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size <= MAX_BODY_BYTES) chunks.push(chunk);
          else outgoing.destroy(new Error(`its answer is larger than ${MAX_BODY_BYTES} bytes`));
        });
        answer.on("error", failed);
        answer.on("end", () => {
          const holds = check.content === null || Buffer.concat(chunks).toString("utf8").includes(check.content);
          if (status >= FIRST_REFUSAL) end(`it answered ${status} ${statusMessage}`.trim());
          else end(holds ? null : "the answer does not hold the wanted content");
        });
      },
    );
    const cancel = clock.after(check.timeoutMilliseconds, () => {
      outgoing.destroy(new Error(`no answer within ${check.timeoutMilliseconds / 1000} s`));
    });
    const end = (problem: string | null): void => {
      cancel();
      resolve(problem);
    };
    function failed(error: Error): void {
      end(error.message === "" ? String(error) : error.message);
    }
    outgoing.on("error", failed);
    outgoing.end();
  });
}
