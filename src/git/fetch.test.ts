import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Bench, quarantines, startBench, waitFor } from "./git.test-support.ts";
import { basicPassword, gitRoute } from "./http.ts";
import { FLUSH, packet } from "./packet.ts";

describe("clone and fetch", () => {
  let bench: Bench;
  before(async () => {
    bench = await startBench();
  });
  after(async () => {
    await bench.close();
    assert.deepEqual(bench.faults, []);
  });

  test("an app without a push is an empty repository", async () => {
    const clone = await bench.git("clone", bench.remote, join(bench.folder, "empty"));
    assert.equal(clone.exitCode, 0, clone.stderr);
    assert.match(clone.stderr, /empty repository/);
  });

  test("give back what was pushed, in both protocols", async () => {
    const commit = await bench.commit({ "app.py": "1\n", "lib/deep/file.txt": "2\n" });
    await bench.git("push", "heroku", "main");
    for (const version of ["0", "2"]) {
      const folder = join(bench.folder, `clone-${version}`);
      const clone = await bench.git("-c", `protocol.version=${version}`, "clone", bench.remote, folder);
      assert.equal(clone.exitCode, 0, clone.stderr);
      assert.equal((await bench.git("-C", folder, "rev-parse", "HEAD")).stdout.trim(), commit);
      assert.ok(existsSync(join(folder, "lib/deep/file.txt")));
    }
  });

  test("fetch only what is new; a clone checks out the branch that was deployed", async () => {
    const folder = join(bench.folder, "clone-2");
    const commit = await bench.commit({ "app.py": "3\n" });
    const push = await bench.git("push", "heroku", "HEAD:refs/heads/master");
    assert.equal(push.exitCode, 0, push.stderr);
    assert.equal((await bench.git("-C", folder, "fetch", "origin")).exitCode, 0);
    assert.equal((await bench.git("-C", folder, "rev-parse", "origin/master")).stdout.trim(), commit);
    await bench.git("clone", bench.remote, join(bench.folder, "again"));
    assert.match((await bench.git("-C", join(bench.folder, "again"), "status", "--branch", "--short")).stdout, /## master/);
  });
});

describe("at the door", () => {
  let bench: Bench;
  before(async () => {
    bench = await startBench();
    await bench.commit({ "app.py": "1\n" });
  });
  after(async () => {
    await bench.close();
    assert.deepEqual(bench.faults, []);
  });
  const basic = (password: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`anybody@example.test:${password}`).toString("base64")}`,
  });

  test("everybody must show a token, under any user name", async () => {
    const url = `${bench.origin}/shop.git/info/refs?service=git-receive-pack`;
    const anonymous = await fetch(url);
    assert.equal(anonymous.status, 401);
    assert.equal(anonymous.headers.get("www-authenticate"), 'Basic realm="Heroku"');
    assert.equal((await fetch(url, { headers: basic("wrong") })).status, 401);
    assert.equal((await fetch(url, { headers: { authorization: "Bearer x" } })).status, 401);
    const known = await fetch(url, { headers: basic("a-token") });
    assert.equal(known.status, 200);
    assert.equal(known.headers.get("content-type"), "application/x-git-receive-pack-advertisement");
    assert.match(await known.text(), /^001f# service=git-receive-pack\n0000[0-9a-f]{4}0{40} capabilities\^\{\}\0report-status /);
    assert.equal(basicPassword(`Basic ${Buffer.from("only-a-name").toString("base64")}`), null);
  });

  test("an unknown app is not found, for git too", async () => {
    const push = await bench.git("push", bench.remote.replace("shop.git", "shoe.git"), "main");
    assert.match(push.stderr, /remote: Couldn't find that app\./);
    assert.match(push.stderr, /not found/);
  });

  test("hostile names and other URLs lead nowhere", async () => {
    for (const path of [
      "/../etc.git/info/refs",
      "/a%2f..%2fb.git/info/refs",
      "/shop.git/config",
      "/shop.git/HEAD",
      "/shop.git/objects/info/packs",
    ]) {
      const response = await fetch(bench.origin + path, { headers: basic("a-token") });
      assert.equal(response.status, 404, path);
    }
    assert.equal(gitRoute("GET", "/a/b.git/info/refs?service=git-upload-pack"), null);
    assert.equal(gitRoute("GET", "/-x/../y.git/info/refs?service=git-upload-pack"), null);
    assert.equal(gitRoute("GET", "/shop.git/info/refs?service=git-shell"), null);
    assert.equal(gitRoute("GET", "/shop.git/git-receive-pack"), null);
    assert.deepEqual(gitRoute("POST", "/shop.git/git-receive-pack"), {
      app: "shop",
      service: "git-receive-pack",
      action: "serve",
    });
  });

  test("the answer to a push begins after the request's last byte: nginx passes nothing on from then", async () => {
    const commit = (await bench.git("rev-parse", "HEAD")).stdout.trim();
    const order = Buffer.concat([packet(`${"0".repeat(40)} ${commit} refs/heads/main\0report-status side-band-64k`), FLUSH]);
    const pack = join(bench.folder, "pack");
    await bench.git("bundle", "create", "--quiet", pack, "HEAD");
    const bundle = readFileSync(pack);
    const bytes = bundle.subarray(bundle.indexOf("\n\nPACK") + 2);
    const post = request(`${bench.origin}/shop.git/git-receive-pack`, { method: "POST", headers: basic("a-token") });
    let answered = false;
    const answer = new Promise<IncomingMessage>((resolve) => {
      post.on("response", (response) => {
        answered = true;
        resolve(response);
      });
    });
    post.write(Buffer.concat([order, bytes.subarray(0, 20)]));
    await waitFor(async () => existsSync(join(bench.repository, "objects")) && (await quarantines(bench)) === 1);
    assert.equal(answered, false);
    post.end(bytes.subarray(20));
    const text = Buffer.concat(await (await answer).toArray()).toString();
    assert.match(text, /Verifying deploy\.\.\. done[^]*ok refs\/heads\/main/);
    assert.equal(await bench.serverRef("refs/heads/main"), commit);
    bench.platform.builds.length = 0;
  });

  test("nonsense is answered, not obeyed", async () => {
    const post = async (body: Buffer, headers: Record<string, string> = {}): Promise<Response> =>
      await fetch(`${bench.origin}/shop.git/git-receive-pack`, {
        method: "POST",
        headers: { ...basic("a-token"), ...headers },
        body: new Uint8Array(body),
      });
    assert.equal((await post(Buffer.from("nonsense"))).status, 400);
    assert.equal((await post(packet("push everything"))).status, 400);
    assert.equal((await post(Buffer.from("not gzip"), { "content-encoding": "gzip" })).status, 400);
    assert.equal((await post(FLUSH)).status, 200, "git's probe");
    const [zero, one] = ["0".repeat(40), "1".repeat(40)];
    const order = Buffer.concat([packet(`${zero} ${one} refs/heads/master\0report-status`), FLUSH]);
    const withoutPack = await (await post(gzipSync(order), { "content-encoding": "gzip" })).text();
    assert.match(withoutPack, /unpack the push carries no pack\n.*ng refs\/heads\/master unpacker error/s);
    const empty = Buffer.concat([order, Buffer.from("5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e", "hex")]);
    assert.match(await (await post(empty)).text(), /ng refs\/heads\/master missing necessary objects/);
    assert.equal(bench.platform.builds.length, 0);
  });
});
