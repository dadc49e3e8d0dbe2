import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nginxConfiguration, type RouterConfiguration } from "./configuration.ts";
import { workerAccount } from "./installation.ts";
import { HEROKU_LIMITS } from "./limits.ts";
import { appIdOf, goneLine, routeLine } from "./route-line.ts";

const INPUT: RouterConfiguration = {
  folder: "/home/router",
  luaFolder: "/home/router/lua-1",
  modules: ["/modules/ndk_http_module.so", "/modules/ngx_http_lua_module.so"],
  version: [1, 22, 1],
  mimeTypes: "/etc/nginx/mime.types",
  worker: { user: "www-data", group: "www-data" },
  workers: 2,
  port: 8080,
  tlsPort: 8443,
  ipv6: true,
  domain: "apps.example.com",
  certificate: { certFile: "/home/authority/server.crt", keyFile: "/home/authority/server.key" },
  platformSocket: "/home/run/platform.sock",
  feedSocket: "/home/run/router/feed.sock",
  wakeSocket: "/home/run/wake.sock",
  openFiles: Number.POSITIVE_INFINITY,
  limits: HEROKU_LIMITS,
  stamp: "abc",
};

const linesOf = (text: string, word: string): string[] =>
  text.split("\n").flatMap((line) => (line.trim().startsWith(`${word} `) ? [line.trim()] : []));

describe("the router's nginx configuration", () => {
  it("listens on both ports, and on the feed's socket", () => {
    const listens = ["listen 8080;", "listen 8443 ssl http2;", "listen [::]:8080;", "listen [::]:8443 ssl http2;"];
    const first = listens.map((line) => line.replace(";", " default_server;"));
    assert.deepEqual(linesOf(nginxConfiguration(INPUT), "listen"), [
      ...first,
      ...listens,
      'listen "unix:/home/run/router/feed.sock";',
    ]);
    assert.ok(!linesOf(nginxConfiguration({ ...INPUT, ipv6: false }), "listen").some((line) => line.includes("[::]")));
  });

  it("asks for HTTP/2 in the words of each nginx", () => {
    for (const version of [
      [1, 22, 1],
      [1, 24, 0],
      [1, 25, 0],
    ] as const) {
      const text = nginxConfiguration({ ...INPUT, version });
      assert.deepEqual([linesOf(text, "http2"), text.includes("ssl http2")], [[], true]);
    }
    for (const version of [
      [1, 25, 1],
      [1, 26, 3],
      [2, 0, 0],
    ] as const) {
      const text = nginxConfiguration({ ...INPUT, version });
      assert.deepEqual([linesOf(text, "http2"), text.includes("ssl http2")], [["http2 on;", "http2 on;"], false]);
    }
  });

  it("keeps the control plane's names for it", () => {
    const names = 'server_name "localhost" "127.0.0.1" "[::1]" "apps.example.com" "api.apps.example.com" "git.apps.example.com";';
    assert.deepEqual(linesOf(nginxConfiguration(INPUT), "server_name"), ["server_name _;", names]);
  });

  it("gives the workers an account of their own only when the master is root", () => {
    assert.deepEqual(linesOf(nginxConfiguration(INPUT), "user"), ['user "www-data" "www-data";']);
    assert.deepEqual(linesOf(nginxConfiguration({ ...INPUT, worker: null }), "user"), []);
  });

  it("has Heroku's limits", () => {
    const text = nginxConfiguration(INPUT);
    assert.deepEqual(linesOf(text, "proxy_read_timeout"), [
      "proxy_read_timeout 30000ms;",
      "proxy_read_timeout 55000ms;",
      "proxy_read_timeout 10800s;",
    ]);
    assert.ok(text.includes("zarpa_lane.boot_seconds = 75\n"));
    assert.deepEqual(linesOf(text, "large_client_header_buffers"), ["large_client_header_buffers 4 8192;"]);
  });

  it("asks for no more files than it may have", () => {
    assert.deepEqual(linesOf(nginxConfiguration(INPUT), "worker_rlimit_nofile"), ["worker_rlimit_nofile 65536;"]);
    const few = nginxConfiguration({ ...INPUT, openFiles: 1024 });
    assert.deepEqual(linesOf(few, "worker_rlimit_nofile"), ["worker_rlimit_nofile 1024;"]);
    assert.deepEqual(linesOf(few, "worker_connections"), ["worker_connections 512;"]);
  });

  it("refuses a path that nginx or Lua would read as something else", () => {
    for (const folder of ['/a"; include /etc/passwd; "', "/a$b", "/a\nb"]) {
      assert.throws(() => nginxConfiguration({ ...INPUT, folder }), /nginx cannot be given/);
    }
    assert.throws(() => nginxConfiguration({ ...INPUT, luaFolder: "/a;b" }), /Lua cannot be given/);
  });
});

describe("route lines", () => {
  const app = { id: "11111111-2222-4333-8444-555555555555", name: "sushi" };

  it("say one app in one line", () => {
    const backends = [
      { dyno: "web.1", address: "10.0.0.2", port: 5000 },
      { dyno: "web.2", address: "[::1]", port: 5001 },
    ];
    const hosts = ["Sushi.localhost", "sushi.localhost", "www.example.com"];
    assert.deepEqual(routeLine({ app, hosts, state: "up", backends }), {
      line: `id=${app.id} name=sushi state=up hosts=sushi.localhost,www.example.com backends=web.1@10.0.0.2:5000,web.2@[::1]:5001`,
      problems: [],
    });
    assert.equal(appIdOf(goneLine(app.id)), app.id);
  });

  it("cannot be made to say anything else", () => {
    const backends = [
      { dyno: "web.1 x", address: "10.0.0.2", port: 5000 },
      { dyno: "web.1", address: "10.0.0.2", port: 70_000 },
    ];
    const { line, problems } = routeLine({ app, hosts: ["a b", "c,d", "e\nid=f"], state: "up", backends });
    assert.equal(line, `id=${app.id} name=sushi state=up hosts= backends=`);
    assert.equal(problems.length, 5);
    assert.throws(() => routeLine({ app: { id: "a b", name: "x" }, hosts: [], state: "up", backends: [] }));
    assert.throws(() => goneLine("a state=up"));
  });
});

describe("the workers' account", () => {
  it("is one without rights that the machine has", () => {
    const group = "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n";
    const nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    assert.deepEqual(workerAccount(`root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/x\n${nobody}`, group), {
      user: "www-data",
      group: "www-data",
      uid: 33,
      gid: 33,
    });
    assert.equal(workerAccount(nobody, group).group, "nogroup");
    assert.throws(() => workerAccount("root:x:0:0::/root:/bin/sh\n", group), /none of www-data/);
  });
});
