/** Brings lines to a drain's receiver. */
export interface DrainCarrier {
  /**
   * Resolves when the receiver has all of them; `texts` are lines as they are stored. A `Rejection`: it will never take these. Any other
   * failure: try again later; it may have taken some.
   */
  deliver(texts: readonly string[], signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The receiver has answered that it does not take these lines and would not if they came again. */
export class Rejection extends Error {
  override name = "Rejection";
}

const CERTIFICATE_PROBLEM = /CERT|SELF_SIGNED|ISSUER|ERR_TLS/;

/** Whether a connection failed because of the receiver's certificate (L14). */
export function isCertificateProblem(cause: unknown): boolean {
  return CERTIFICATE_PROBLEM.test(String((cause as NodeJS.ErrnoException | null)?.code));
}
