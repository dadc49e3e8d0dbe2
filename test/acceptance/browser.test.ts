// What people see in a real browser: the login page of `heroku login`, and their app.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Browser, chromium } from "playwright-core";
import { ADMIN, TestPlatform } from "./support/platform.ts";
import { Terminal } from "./support/terminal.ts";
import { User } from "./support/user.ts";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const program = PROGRAMS.find((path) => existsSync(path));

describe("in a browser", { skip: program === undefined && `none of ${PROGRAMS.join(", ")} is there` }, () => {
  let platform: TestPlatform;
  let browser: Browser;
  before(async () => {
    platform = await TestPlatform.start();
    browser = await chromium.launch({ executablePath: program ?? "", args: ["--no-sandbox"] });
  });
  after(async () => {
    await browser?.close();
    await platform?.close();
  });

  test("heroku login, and the app's page", async (context) => {
    const user = await User.arrive(platform, { logIn: false });
    context.after(async () => await user.leave());
    const opener = join(user.home, "browser");
    await writeFile(opener, `#!/bin/sh\necho "$@" > ${opener}.url\n`);
    await chmod(opener, 0o755);
    const login = new Terminal(["heroku", "login"], { cwd: user.home, env: { ...user.environment, BROWSER: opener } });
    await login.shows(/any key/i);
    login.type(" ");
    await user.untilFile(`${opener}.url`);
    const url = (await readFile(`${opener}.url`, "utf8")).trim();
    assert.ok(url.startsWith(`${platform.origin}/`), url);

    const page = await browser.newPage({ locale: "es-CO" });
    const complaints: string[] = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(url);
    assert.match((await page.textContent("h1")) ?? "", /Iniciar sesión/);
    await page.getByLabel("Correo").fill(ADMIN.email);
    await page.getByLabel("Contraseña").fill("wrong password");
    await page.getByRole("button", { name: "Iniciar sesión" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Correo").fill(ADMIN.email);
    await page.getByLabel("Contraseña").fill(ADMIN.password);
    await page.getByRole("button", { name: "Iniciar sesión" }).click();
    await page.getByText("Has iniciado sesión").waitFor();
    await login.shows(/Logged in as .*ana@example\.test/);
    assert.equal(await login.exited, 0);

    await user.deploy("tiny", "seen");
    await user.untilPage("seen", ({ status }) => status === 200);
    await page.goto(`http://seen.localhost:${platform.port}/`);
    assert.equal(await page.title(), "Tiny");
    await page.goto(`http://nobody.localhost:${platform.port}/`);
    assert.match((await page.textContent("body")) ?? "", /Ninguna aplicación tiene la dirección nobody\.localhost/);
    assert.deepEqual(
      complaints.filter((text) => !/favicon|40[0-9]|status of/.test(text)),
      [],
    );
  });
});
