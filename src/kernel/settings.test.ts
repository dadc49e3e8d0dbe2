import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readSettings, SettingsError } from "./settings.ts";

describe("the settings", () => {
  const problemsOf = (env: Record<string, string>): string[] => {
    try {
      readSettings(env, true);
    } catch (error) {
      if (error instanceof SettingsError) return error.problems;
      throw error;
    }
    return [];
  };

  it("have defaults for root and for others", () => {
    const settings = readSettings({}, true);
    assert.equal(settings.home, "/var/lib/zarpa");
    assert.deepEqual(
      [settings.port, settings.tlsPort, settings.rendezvousPort, settings.domain],
      [8080, 8443, 8444, "localhost"],
    );
    assert.deepEqual([settings.driver, settings.databaseUrl, settings.adminPassword], [null, null, null]);
    assert.deepEqual(settings.sleep, { idleSeconds: 1800, frozenSeconds: 7200 });
    assert.equal(readSettings({ XDG_DATA_HOME: "/home/ana/data" }, false).home, "/home/ana/data/zarpa");
  });

  it("name every wrong value at once", () => {
    const problems = problemsOf({
      ZARPA_HOME: "data",
      ZARPA_PORT: "eighty",
      ZARPA_TLS_PORT: "70000",
      ZARPA_DOMAIN: "Apps.Example.org:80",
      ZARPA_ADMIN_EMAIL: "ana",
      ZARPA_ADMIN_PASSWORD: "short",
      ZARPA_DRIVER: "docker",
      ZARPA_IDLE_SECONDS: "30m",
      ZARPA_DRAIN_NETWORKS: "127.0.0.1, 192.168.0.0/33",
      DATABASE_URL: "mysql://localhost/zarpa",
    });
    const names = problems.map((problem) => problem.split(" ")[0]);
    assert.deepEqual(names.toSorted(), [
      "DATABASE_URL",
      "ZARPA_ADMIN_EMAIL",
      "ZARPA_ADMIN_PASSWORD",
      "ZARPA_DOMAIN",
      "ZARPA_DRAIN_NETWORKS",
      "ZARPA_DRIVER",
      "ZARPA_HOME",
      "ZARPA_IDLE_SECONDS",
      "ZARPA_PORT",
      "ZARPA_TLS_PORT",
    ]);
  });

  it("want three different ports", () => {
    assert.equal(problemsOf({ ZARPA_PORT: "8443" }).length, 1);
    assert.equal(problemsOf({ ZARPA_PORT: "8444" }).length, 1);
    assert.equal(problemsOf({ ZARPA_TLS_PORT: "65535" }).length, 1);
    assert.deepEqual(problemsOf({ ZARPA_PORT: "80", ZARPA_TLS_PORT: "443" }), []);
  });

  it("take an empty variable for a missing one", () => {
    assert.deepEqual(problemsOf({ ZARPA_PORT: "", ZARPA_DRIVER: "", DATABASE_URL: "", ZARPA_ADMIN_PASSWORD: "" }), []);
  });

  it("never show a password", () => {
    const secrets = { ZARPA_ADMIN_PASSWORD: "correct horse", DATABASE_URL: "postgres://u:hush@db/x" };
    assert.doesNotMatch(JSON.stringify(readSettings(secrets, true)), /correct horse|hush/);
    assert.doesNotMatch(problemsOf({ ...secrets, ZARPA_PORT: "x" }).join(), /correct horse|hush/);
  });
});
