import assert from "node:assert/strict";
import { test } from "node:test";
import { systemdUnit } from "./service.ts";

test("zarpa service: a unit that ends the control plane alone, with this environment's settings and without its secrets", () => {
  const unit = systemdUnit({
    root: "/opt/zar $pa",
    node: "/usr/bin/node",
    home: "/var/lib/zarpa",
    env: {
      ZARPA_PORT: "80",
      ZARPA_DOMAIN: 'x"%$y',
      ZARPA_ADMIN_PASSWORD: "hush",
      DATABASE_URL: "postgres://u:p@h/d",
      HOME: "/root",
    },
  });
  const lines = unit.split("\n");
  for (const line of [
    "KillMode=process",
    "Restart=always",
    'Environment="ZARPA_HOME=/var/lib/zarpa"',
    'Environment="ZARPA_PORT=80"',
    String.raw`Environment="ZARPA_DOMAIN=x\"%%$y"`,
    'ExecStart="/opt/zar $$pa/node_modules/.bin/node" "/opt/zar $$pa/bin/start.ts"',
    'ExecStartPre="/usr/bin/node" "/opt/zar $$pa/bin/bootstrap.mjs"',
    "WantedBy=multi-user.target",
  ])
    assert.ok(lines.includes(line), `${line} is missing in\n${unit}`);
  assert.doesNotMatch(unit, /hush|postgres:|HOME=\/root/);
});
