import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ensureStack, hasStack } from "../../src/builder/stack.ts";

const NAME = "heroku-24";
const CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/** The host's certificates, for connections out of a stack; null where the host has none. */
export const hostCertificates: string | null = existsSync(CA_BUNDLE) ? CA_BUNDLE : null;

/**
 * A stack for tests: `ZARPA_TEST_STACK`, or one that this machine's installation has built, or one built once (half a minute) for all tests
 * in the temporary folder. A text instead of a path says why there can be none.
 */
export async function testStack(): Promise<{ root: string } | { missing: string }> {
  const given = process.env["ZARPA_TEST_STACK"];
  if (given !== undefined) return { root: given };
  if (process.getuid?.() !== 0) return { missing: "needs root" };
  const installed = join(process.env["ZARPA_HOME"] ?? "/var/lib/zarpa", "stacks");
  const shared = join(tmpdir(), "zarpa-test-stacks");
  const stacksFolder = hasStack(installed, NAME) ? installed : shared;
  const options = { name: NAME, stacksFolder, caBundle: hostCertificates };
  if (!hasStack(stacksFolder, NAME)) {
    if (!existsSync("/usr/bin/mmdebstrap")) return { missing: "needs a stack, or mmdebstrap to build one" };
    await mkdir(stacksFolder, { recursive: true });
    return { root: await once(join(stacksFolder, "building"), async () => await ensureStack(options)) };
  }
  return { root: await ensureStack(options) };
}

/** Several test processes may want the stack at once: one builds, the others wait for it. */
async function once(lock: string, build: () => Promise<string>): Promise<string> {
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: "wx" });
      break;
    } catch {
      const holder = await readFile(lock, "utf8").catch(() => "");
      if (holder !== "" && !existsSync(`/proc/${holder}`)) await rm(lock, { force: true });
      await delay(200);
    }
  }
  try {
    return await build();
  } finally {
    await rm(lock, { force: true });
  }
}
