import { type AbsentRoute, never, refused, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";

const IMAGES: readonly AbsentRoute[] = [
  refused("POST", "/apps/:app/oci-images", "Images cannot be released on this platform yet. Deploy with git push."),
  never("/apps/:app/oci-images/:image", "oci_image"),
  never("/v2/*", "image"),
];

/** Container images of the user's own: none yet. */
export function registerImageRoutes(app: Api, deps: ApiDeps): void {
  registerAbsent(app, deps, "oci-image", IMAGES);
}
