import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildFailure } from "./build-failure.ts";
import { resolveBuildpack } from "./buildpack.ts";

const OURS = [
  "heroku/python",
  "urn:buildpack:heroku/python",
  "https://buildpack-registry.s3.amazonaws.com/buildpacks/heroku/python.tgz",
  "https://github.com/heroku/heroku-buildpack-python",
  "https://github.com/heroku/heroku-buildpack-python.git#v1",
];

for (const url of OURS) {
  test(`${url} is our Python buildpack`, () => {
    assert.deepEqual(resolveBuildpack({ url, name: url }), { kind: "own", folder: "python" });
  });
}

test("other URLs are Git repositories, with a branch or without, or archives", () => {
  const find = (url: string): object => {
    const { key, ...rest } = { key: "", ...resolveBuildpack({ url, name: url }) };
    assert.match(key, /^[0-9a-f]{24}$/);
    return rest;
  };
  assert.deepEqual(find("https://example.com/a/b.git#v1.2"), { kind: "git", url: "https://example.com/a/b.git", branch: "v1.2" });
  assert.deepEqual(find("https://example.com/a/b"), { kind: "git", url: "https://example.com/a/b", branch: null });
  assert.deepEqual(find("https://example.com/b.tgz?x=1"), { kind: "archive", url: "https://example.com/b.tgz?x=1" });
  assert.deepEqual(find("https://github.com/heroku/heroku-buildpack-cobol"), {
    kind: "git",
    url: "https://github.com/heroku/heroku-buildpack-cobol",
    branch: null,
  });
});

for (const url of [
  "heroku/cobol",
  "urn:buildpack:x/y",
  "/etc",
  "file:///etc",
  "ext::sh -c id",
  "https://example.com/a#--upload-pack=x",
]) {
  test(`${url} is refused`, () => {
    assert.throws(() => resolveBuildpack({ url, name: url }), BuildFailure);
  });
}
