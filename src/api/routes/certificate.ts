import { type AbsentRoute, emptyList, never, refused, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";

const CERTIFICATES: readonly AbsentRoute[] = [
  emptyList("/apps/:app/sni-endpoints"),
  refused(
    "POST",
    "/apps/:app/sni-endpoints",
    "Certificates of your own are not available on this platform yet. Put a TLS proxy in front of it.",
  ),
  never("/apps/:app/sni-endpoints/:endpoint", "sni_endpoint"),
];

const IMAGES: readonly AbsentRoute[] = [
  refused("POST", "/apps/:app/oci-images", "Images cannot be released on this platform yet. Deploy with git push."),
  never("/apps/:app/oci-images/:image", "oci_image"),
  never("/v2/*", "image"),
];

/** Certificates and container images of the user's own: none yet. */
export function registerCertificateRoutes(app: Api, deps: ApiDeps): void {
  registerAbsent(app, deps, "sni-endpoint", CERTIFICATES);
  registerAbsent(app, deps, "oci-image", IMAGES);
}
