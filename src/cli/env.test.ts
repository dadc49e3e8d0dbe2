import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { exportLines, herokuEnvironment } from "./env.ts";

describe("zarpa env", () => {
  it("points the heroku CLI and git at the platform", () => {
    const lines = exportLines(herokuEnvironment({ port: 5000, tls_port: 5443, bundle: "/var/lib/zarpa/authority/bundle.crt" }));
    assert.deepEqual(lines.trimEnd().split("\n"), [
      "export HEROKU_HOST=http://localhost:5000",
      "export HEROKU_LOGIN_HOST=http://localhost:5000",
      "export HEROKU_PARTICLEBOARD_URL=http://localhost:5000",
      "export HEROKU_DATA_HOST=localhost",
      "export HEROKU_GIT_HOST=localhost:5443",
      "export HEROKU_BUILDPACK_REGISTRY_URL=http://localhost:5000",
      "export HEROKU_STATUS_HOST=http://localhost:5000",
      "export DISABLE_TELEMETRY=true",
      "export HEROKU_DISABLE_AUTOUPDATE=true",
      "export HEROKU_SKIP_NEW_VERSION_CHECK=true",
      "export HEROKU_NETRC_WRITE=true",
      "export NODE_EXTRA_CA_CERTS=/var/lib/zarpa/authority/bundle.crt",
      "export GIT_SSL_CAINFO=/var/lib/zarpa/authority/bundle.crt",
    ]);
  });

  it("survives a shell, whatever the folder is called", () => {
    const bundle = '/home/ana maría/it\'s $HOME `id` "x"\\/bundle.crt';
    const script = `${exportLines({ NODE_EXTRA_CA_CERTS: bundle })}printf %s "$NODE_EXTRA_CA_CERTS"`;
    assert.equal(execFileSync("sh", ["-c", script], { encoding: "utf8" }), bundle);
  });
});
