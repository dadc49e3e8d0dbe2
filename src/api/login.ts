import type { FastifyRequest } from "fastify";
import { Secret } from "../kernel/secret.ts";
import { signIn } from "../platform/account.ts";
import type { Platform } from "../platform/context.ts";
import type { Identity } from "../platform/identity.ts";
import type { LoginThrottle } from "./login-throttle.ts";

const MAX_EMAIL_LENGTH = 254;
const MAX_PASSWORD_LENGTH = 1024;

/** Signs in with e-mail and password, throttled by address and account; null when they do not fit. */
export async function throttledSignIn(
  ctx: Platform,
  throttle: LoginThrottle,
  request: FastifyRequest,
  credentials: { email: string; password: string },
): Promise<Identity | null> {
  const email = credentials.email.slice(0, MAX_EMAIL_LENGTH);
  const address = clientAddress(request);
  throttle.attempt(address, email);
  const identity = await signIn(ctx, email, new Secret(credentials.password.slice(0, MAX_PASSWORD_LENGTH)));
  if (identity !== null) throttle.succeeded(address, email);
  return identity;
}

/** Where the request comes from, as the router in front says. A request made on the platform's own Unix socket has no address. */
export function clientAddress(request: FastifyRequest): string {
  return (request.ip as string | undefined) ?? "this machine";
}
