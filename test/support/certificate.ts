import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureAuthority } from "../../src/kernel/authority.ts";
import { systemClock } from "../../src/kernel/clock.ts";

/** A certificate for localhost or other names, its key, and the authority that a client has to trust, as PEM. */
export async function testCertificate(
  names: readonly string[] = ["localhost"],
): Promise<{ cert: string; key: string; ca: string }> {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-certificate-"));
  try {
    const authority = await ensureAuthority({ folder, names, hostBundle: null, clock: systemClock });
    const [cert, key, ca] = await Promise.all(
      [authority.certFile, authority.keyFile, authority.caFile].map(async (file) => await readFile(file, "utf8")),
    );
    return { cert: cert!, key: key!, ca: ca! };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
