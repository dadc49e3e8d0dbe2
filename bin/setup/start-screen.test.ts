import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { messagesFor } from "../../src/cli/messages.ts";
import { pathsUnder } from "../../src/kernel/paths.ts";
import { Secret } from "../../src/kernel/secret.ts";
import { readSettings } from "../../src/kernel/settings.ts";
import { type ScreenFacts, startScreen } from "./start-screen.ts";

describe("the start screen", () => {
  const facts = (changes: Partial<ScreenFacts> = {}, isChosen = false): ScreenFacts => ({
    boot: {
      version: "0.1.0",
      settings: readSettings({ ZARPA_PORT: "5000", ZARPA_TLS_PORT: "5443" }, true),
      paths: pathsUnder("/var/lib/zarpa"),
      driver: { name: "oci", reason: "" },
      admin: { email: "ana@example.org", password: new Secret("abcde-fghij"), isChosen },
    },
    messages: messagesFor({ LANG: "en_US.UTF-8" }),
    seconds: 1.234,
    adminCreated: true,
    isTerminal: true,
    ...changes,
  });

  it("shows the addresses, the login and the lines to go on with", () => {
    const text = startScreen(facts());
    for (const part of [
      "http://localhost:5000/",
      "https://localhost:5443/",
      "ana@example.org",
      "abcde-fghij",
      'eval "$(npx zarpa env)"',
    ]) {
      assert.ok(text.includes(part), part);
    }
    assert.match(text, /ready after 1\.2 s/);
  });

  it("shows a password once, and never one of the operator's own", () => {
    assert.doesNotMatch(startScreen(facts({ adminCreated: false })), /abcde/);
    assert.doesNotMatch(startScreen(facts({}, true)), /abcde/);
  });

  it("is one plain line without a terminal, two with a new password", () => {
    assert.equal(
      startScreen(facts({ isTerminal: false, adminCreated: false })),
      "Zarpa is ready after 1.2 s. http://localhost:5000/\n",
    );
    assert.equal(startScreen(facts({ isTerminal: false })).split("\n")[1], "Login: ana@example.org  Password: abcde-fghij");
  });

  it("speaks Spanish", () => {
    assert.match(
      startScreen(facts({ messages: messagesFor({ LANG: "es_AR.UTF-8" }) })),
      /Zarpa está listo.*Ctrl-C detiene todo/s,
    );
  });
});
