import assert from "node:assert/strict";
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Built, type Files, testBuilds, type TestBuilds, testSandbox, testUv } from "../../../test/support/builds.ts";
import { registryMissing } from "../../../test/support/registry.ts";

const sandbox = await testSandbox();
const uv = testUv();
const missing = "missing" in sandbox ? sandbox.missing : "missing" in uv ? uv.missing : false;
const online = missing === false ? await registryMissing("pip") : missing;
const FLASK: Files = {
  "requirements.txt": "itsdangerous==2.2.0\n",
  "app.py": "import itsdangerous\n",
  Procfile: "web: python app.py\n",
};

let builds: TestBuilds;
beforeEach(() => {
  if ("missing" in sandbox || "missing" in uv) return;
  builds = testBuilds({ sandbox: sandbox.sandbox, uv: uv.uv });
});
afterEach(() => builds?.[Symbol.dispose]());

const inode = (built: Built, name: string): number => lstatSync(builds.inSlug(built.slug, name)).ino;

describe("the Python buildpack", { skip: missing }, () => {
  test("says which files a Python app has when it finds none of them", async () => {
    const { output, outcome } = await builds.build({ "app.py": "" });
    assert.deepEqual(outcome, { status: "failed", reason: "failed to compile Python app" });
    assert.match(output, / !     Error: Couldn't find any supported Python package manager files\.\n/);
    assert.ok(output.endsWith(" !     Push rejected, failed to compile Python app.\n\n !     Push failed\n"), output);
  });

  const WRONG: [file: string, content: string, message: RegExp][] = [
    [".python-version", "3\n", /Invalid Python version in \.python-version\.\n.*\n !     and holds: 3\n/],
    [
      "runtime.txt",
      "3.12.1\n",
      /Invalid Python version in runtime\.txt\.\n !     It must hold one line like:  python-3\.13\.5\n/,
    ],
    ["runtime.txt", "python-2.7.18\n", /Python 2\.7\.18 is not available: Python 2 has had no support since 2020/],
  ];
  for (const [file, content, message] of WRONG) {
    test(`refuses ${file} with ${JSON.stringify(content)}`, async () => {
      const { output } = await builds.build({ "requirements.txt": "", [file]: content });
      assert.match(output, message);
    });
  }

  test("runs the app's hooks with its config vars, and shows why one fails", async () => {
    const hooks = { "bin/pre_compile": "#!/bin/bash\necho A is $A", "bin/post_compile": "#!/bin/bash\nno-such-command\n" };
    const { output } = await builds.build({ "requirements.txt": "", ...hooks }, { configVars: { A: "1", PATH: "/evil" } });
    assert.match(output, /-----> Running bin\/pre_compile hook\n {7}A is 1\n/);
    assert.match(output, /no-such-command: command not found\n\n !     Error: The bin\/post_compile script has failed\./);
  });
});

describe("the Python buildpack with the package index", { skip: online }, () => {
  test("installs once; a redeploy takes the same files, and a changed list is installed anew", async () => {
    const first = await builds.build({ ...FLASK, ".python-version": "3.13\n" });
    assert.match(first.output, /-----> Using Python 3\.13 specified in \.python-version\n/);
    assert.match(
      first.output,
      /-----> Installing dependencies using 'uv pip install -r requirements\.txt'\n[^]* {7} \+ itsdangerous==2\.2\.0\n/,
    );
    assert.match(readFileSync(builds.inSlug(first.slug, ".profile.d/python.sh"), "utf8"), /FORWARDED_ALLOW_IPS/);
    const second = await builds.build({ ...FLASK, ".python-version": "3.13\n", "app.py": "import itsdangerous  # changed\n" });
    assert.match(second.output, /-----> Restoring cache\n/);
    assert.doesNotMatch(second.output, /itsdangerous==/);
    const file = ".heroku/python/lib/python3.13/site-packages/itsdangerous/__init__.py";
    assert.equal(inode(first, file), inode(second, file));
    const third = await builds.build({ ...FLASK, ".python-version": "3.13\n", "requirements.txt": "markupsafe\n" });
    assert.match(third.output, /-----> Discarding cache since:\n {7}- The dependencies changed\n/);
    assert.ok(!existsSync(builds.inSlug(third.slug, file)));
    assert.deepEqual(await builds.store.verify(first.slug.tree), []);
  });

  test("ends with the cause when a dependency does not resolve", async () => {
    const { output } = await builds.build({ ...FLASK, "requirements.txt": "itsdangerous==99.99\n" });
    assert.match(output, /there is no version of itsdangerous==99\.99/);
    assert.match(output, / !     Error: Unable to install dependencies using uv\.\n/);
  });

  test("takes the stack's Python, loudly, where the one asked for cannot be downloaded; the next build does not try again", async () => {
    // A proxy that nothing listens at: no download, whatever this machine reaches.
    const order = { configVars: { UV_PYTHON_INSTALL_MIRROR: "http://127.0.0.1:9/" } };
    const files = { ...FLASK, "requirements.txt": "", "runtime.txt": "python-3.10.2\n" };
    const first = await builds.build(files, order);
    const loud = " !     Python 3.10.2 (asked for in runtime.txt) cannot be downloaded here: using the stack's Python 3.13";
    assert.ok(first.output.includes("-----> Installing Python 3.10.2\n") && first.output.includes(loud), first.output);
    const second = await builds.build(files, order);
    assert.ok(!second.output.includes("-----> Installing Python") && second.output.includes(loud), second.output);
  });

  test("installs what Pipfile.lock says, with its checksums, and the Python version in it", async () => {
    const entry = {
      hashes: ["sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef"],
      markers: "python_version >= '3.8'",
      version: "==2.2.0",
    };
    const meta = { hash: { sha256: "x" }, "pipfile-spec": 6, requires: { python_version: "3.13" }, sources: [] };
    const lock = JSON.stringify({ _meta: meta, default: { itsdangerous: entry }, develop: {} }, null, 4);
    const { output, slug } = await builds.build({
      Pipfile: '[packages]\nitsdangerous = "*"\n',
      "Pipfile.lock": lock,
      Procfile: "web: a\n",
    });
    assert.match(output, /Using Python 3\.13 specified in Pipfile\.lock\n/);
    assert.match(output, / \+ itsdangerous==2\.2\.0\n/);
    assert.deepEqual(slug.processTypes, { web: "a" });
  });

  test("syncs a uv project from its lock file", async () => {
    const project = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.12"\ndependencies = []\n';
    const lock =
      'version = 1\nrevision = 3\nrequires-python = ">=3.12"\n\n[[package]]\nname = "x"\nversion = "1"\nsource = { virtual = "." }\n';
    const { output } = await builds.build({ "pyproject.toml": project, "uv.lock": lock });
    assert.match(output, /-----> Installing dependencies using 'uv sync --locked --no-default-groups'\n/);
    assert.match(output, /Done: /);
  });

  test("collects a Django app's static files with its config vars; a failure names the cause", async () => {
    const settings =
      'import os\nSECRET_KEY = os.environ["SECRET_KEY"]\nINSTALLED_APPS = ["django.contrib.staticfiles"]\nSTATIC_URL = "/s/"\nSTATIC_ROOT = os.path.join(os.path.dirname(__file__), "out")\nSTATICFILES_DIRS = [os.path.join(os.path.dirname(__file__), "files")]\n';
    const manage =
      'import os, sys\nos.environ["DJANGO_SETTINGS_MODULE"] = "settings"\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n';
    const files = { "requirements.txt": "django==5.2\n", "manage.py": manage, "settings.py": settings, "files/a.css": "a" };
    const failed = await builds.build(files);
    assert.match(
      failed.output,
      /KeyError: 'SECRET_KEY'[^]* !     The settings need SECRET_KEY while the app is built, too\.\n[^]* !     Error: Unable to generate Django static files\./,
    );
    const { output, slug } = await builds.build(files, { configVars: { SECRET_KEY: "s" } });
    assert.match(
      output,
      /-----> Restoring cache\n[^]*-----> \$ python manage\.py collectstatic --noinput\n {7}1 static file copied/,
    );
    assert.ok(existsSync(builds.inSlug(slug, "out/a.css")));
    const skipped = await builds.build(files, { configVars: { DISABLE_COLLECTSTATIC: "1" } });
    assert.match(skipped.output, /-----> Skipping Django collectstatic since the env var DISABLE_COLLECTSTATIC is set\.\n/);
  });
});
