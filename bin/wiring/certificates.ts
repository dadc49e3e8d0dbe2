import type { JobHandler } from "../../src/kernel/jobs.ts";
import type { Journal } from "../../src/kernel/journal.ts";
import { ACM_JOB, ACM_RENEWAL_JOB, acmeAccountKey, type AcmPorts, renewAcm, runAcm } from "../../src/platform/acm.ts";
import type { Platform } from "../../src/platform/context.ts";
import { servedCertificates } from "../../src/platform/sni-endpoint.ts";
import type { Router } from "../../src/router/router.ts";

interface CertificateSettings {
  acmeDirectoryUrl: string;
  acmeHttpPort: number;
  adminEmail: string;
}

/** Carries certificates from the rows to the router, one change after the other, and orders what apps want automatically. */
export function certificateWiring(deps: {
  platform: Platform;
  router: Router;
  settings: CertificateSettings;
  journal: Journal;
}): {
  changed(): void;
  handlers: Record<string, JobHandler>;
} {
  const { platform, router, settings, journal } = deps;
  let last: Promise<void> = Promise.resolve();
  let waiting = false;
  const publish = async (): Promise<void> => {
    waiting = false;
    try {
      await router.certificates(await servedCertificates(platform));
    } catch (cause) {
      journal.fault("certificates", cause);
    }
  };
  return {
    changed: () => {
      if (waiting) return;
      waiting = true;
      last = last.then(publish);
    },
    handlers: {
      [ACM_JOB]: async (payload) => {
        await runAcm(platform, String(payload["app_id"]), Number(payload["attempt"] ?? 1), ports(platform, router, settings));
      },
      [ACM_RENEWAL_JOB]: async () => await renewAcm(platform),
    },
  };
}

function ports(platform: Platform, router: Router, settings: CertificateSettings): AcmPorts {
  const challenge = async (token: string, answer: string): Promise<void> => await router.challenge(token, answer);
  return {
    whyNotHere: async (hostname) => {
      const { whyNotHere } = await import("../../src/router/reach.ts");
      return await whyNotHere(hostname, { challenge, port: settings.acmeHttpPort });
    },
    obtain: async (hostnames) => {
      // Loaded only where it is needed: it is large, and most installations never order a certificate.
      const { obtainCertificate } = await import("../../src/router/acme.ts");
      return await obtainCertificate(hostnames, {
        directoryUrl: settings.acmeDirectoryUrl,
        accountKey: await acmeAccountKey(platform, settings.acmeDirectoryUrl),
        // A made-up address is none that an authority could write to.
        email: settings.adminEmail.endsWith("@localhost") ? null : settings.adminEmail,
        challenge,
      });
    },
  };
}
