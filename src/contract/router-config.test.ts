import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readRouterConfig } from "./router-config.ts";

describe("config vars for the router", () => {
  it("say what an app wishes", () => {
    const config = {
      ERROR_PAGE_URL: "https://example.com/error.html",
      MAINTENANCE_PAGE_URL: "http://example.com/soon",
      ZARPA_ROUTER_BALANCE: "least-connections",
      ZARPA_ROUTER_PROTOCOL: "uwsgi",
      ZARPA_ROUTER_STATIC: "/static=staticfiles, /media/=public/media/",
      OTHER: "1",
    };
    assert.deepEqual(readRouterConfig(config), {
      wishes: {
        errorPage: "https://example.com/error.html",
        maintenancePage: "http://example.com/soon",
        balance: "least-connections",
        protocol: "uwsgi",
        folders: [
          { prefix: "/static/", folder: "staticfiles" },
          { prefix: "/media/", folder: "public/media" },
        ],
      },
      problems: [],
    });
    const usual = { ERROR_PAGE_URL: "", ZARPA_ROUTER_BALANCE: "random", ZARPA_ROUTER_PROTOCOL: "http" };
    assert.deepEqual(readRouterConfig(usual), { wishes: { folders: [] }, problems: [] });
  });

  it("are told what is wrong with them", () => {
    const bad = [
      { ERROR_PAGE_URL: "javascript:alert(1)" },
      { MAINTENANCE_PAGE_URL: "https://example.com/a b" },
      { ZARPA_ROUTER_BALANCE: "fair" },
      { ZARPA_ROUTER_PROTOCOL: "fastcgi" },
      { ZARPA_ROUTER_STATIC: "/static" },
      { ZARPA_ROUTER_STATIC: "/static=../../etc" },
      { ZARPA_ROUTER_STATIC: "/static=.git" },
      { ZARPA_ROUTER_STATIC: "/static=a/.secret" },
      { ZARPA_ROUTER_STATIC: "static=a" },
      { ZARPA_ROUTER_STATIC: "/s tatic=a" },
    ];
    for (const config of bad) {
      const { wishes, problems } = readRouterConfig(config as Record<string, string>);
      assert.deepEqual(wishes, { folders: [] });
      assert.ok(problems.length === 1 && problems[0]!.startsWith(Object.keys(config)[0]!), problems.join());
    }
  });
});
