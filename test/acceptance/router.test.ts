// What apps ask of the router, from the heroku CLI to the visitor's side: maintenance, own pages, static folders, domains, certificates.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { testCertificate } from "../support/certificate.ts";
import { TestPlatform } from "./support/platform.ts";
import { User } from "./support/user.ts";

let platform: TestPlatform;
let user: User;
let folder: string;
before(async () => {
  platform = await TestPlatform.start();
  user = await User.arrive(platform);
  folder = await user.deploy("tiny", "tiny");
  await user.untilPage("tiny", ({ status }) => status === 200);
});
after(async () => {
  await user?.leave();
  await platform?.close();
});
const heroku = async (line: string): Promise<string> => {
  const { stdout, stderr } = await user.mustHeroku([...line.split(" "), "--app", "tiny"]);
  return stdout + stderr;
};

test("maintenance:on shows the app's own page, maintenance:off the app", async () => {
  await heroku("config:set MAINTENANCE_PAGE_URL=https://example.com/soon.html");
  await heroku("maintenance:on");
  const page = await user.untilPage("tiny", ({ status }) => status === 503);
  assert.match(page.body, /<iframe src="https:\/\/example\.com\/soon\.html"/);
  await heroku("maintenance:off");
  await user.untilPage("tiny", ({ status }) => status === 200);
  await user.untilOutput(["logs", "--app", "tiny", "--num", "200"], /heroku\[router\]: at=info code=H80 desc="Maintenance mode"/);
});

test("a folder of the slug is served by the router", async () => {
  await mkdir(join(folder, "public"));
  await writeFile(join(folder, "public", ".hidden"), "secret");
  await user.addFile("tiny", "public/hello.css", "body { color: teal }");
  const pushed = await user.push(folder);
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  const refused = await user.heroku(["config:set", "ZARPA_ROUTER_STATIC=/files=../../etc", "--app", "tiny"]);
  assert.match(refused.stderr, /ZARPA_ROUTER_STATIC has .* write \/path=folder/);
  await heroku("config:set ZARPA_ROUTER_STATIC=/files=public");
  const found = await user.untilPage("tiny", ({ status }) => status === 200, 20, "/files/hello.css");
  assert.deepEqual([found.body, found.headers["content-type"]], ["body { color: teal }", "text/css"]);
  assert.equal((await user.page("tiny", "/files/.hidden")).status, 404);
});

test("session affinity is a feature of the app", async () => {
  await heroku("features:enable http-session-affinity");
  const page = await user.untilPage("tiny", ({ headers }) => headers["set-cookie"] !== undefined);
  assert.match(String(page.headers["set-cookie"]), /^heroku-session-affinity=/);
});

test("a domain is served with its own certificate", async () => {
  const { cert, key } = await testCertificate(["www.example.test"]);
  const [crt, pem] = [join(user.home, "server.crt"), join(user.home, "server.key")];
  await writeFile(crt, cert);
  await writeFile(pem, key);
  assert.match(await heroku(`certs:add ${crt} ${pem}`), /www\.example\.test/);
  const [, name = ""] = /(\w+-\w+-\d+)/.exec(await heroku("certs")) ?? [];
  await heroku(`domains:add www.example.test --cert ${name}`);
  assert.match(await heroku("domains"), /www\.example\.test.*tiny\.localhost/);
  assert.match(await heroku("domains:wait www.example.test"), /^/);
  const names = await new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: platform.tlsPort, servername: "www.example.test", rejectUnauthorized: false };
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().subjectaltname);
      socket.destroy();
    }).on("error", reject);
  });
  assert.equal(names, "DNS:www.example.test");
  const other = await testCertificate(["www.example.test", "example.test"]);
  await writeFile(crt, other.cert);
  await writeFile(pem, other.key);
  assert.match(await heroku(`certs:update ${crt} ${pem} --confirm tiny`), /Updating SSL certificate .*done/);
  assert.match(await heroku(`certs:info --name ${name}`), /example\.test/);
  await heroku("domains:update www.example.test --cert " + name);
  assert.match(await heroku(`certs:remove --name ${name} --confirm tiny`), /Removing SSL certificate .*done/);
});

test("automatic certificates are asked for only when a domain leads here", async () => {
  assert.match(await heroku("certs:auto:enable"), /Enabling Automatic Certificate Management/);
  await heroku("domains:add nowhere.example.test");
  await user.untilOutput(["certs:auto", "--app", "tiny"], /nowhere\.example\.test\s+Failing\s+It has no address in the DNS/);
  assert.match(await heroku("certs:auto:refresh"), /Refreshing Automatic Certificate Management.*done/);
  await heroku("certs:auto:disable --confirm tiny");
});
