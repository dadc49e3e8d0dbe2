import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createBuilder, type Builder } from "../../src/builder/builder.ts";
import { ownNode } from "../../src/builder/layout.ts";
import type { BuildLimits } from "../../src/builder/limits.ts";
import type { BuildOrder, BuildOutcome, BuiltSlug, Sandbox } from "../../src/builder/ports.ts";
import { createSlugStore, type SlugStore } from "../../src/builder/slug-store.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { newId } from "../../src/kernel/ids.ts";
import { streamJournal } from "../../src/kernel/journal.ts";
import { type Paths, pathsUnder } from "../../src/kernel/paths.ts";
import { namespaceSandbox } from "./build-sandbox.ts";
import { hostCertificates, testStack } from "./stack.ts";

/** Files of a source by name; a value `-> x` is a symbolic link, one that begins with `#!` an executable. */
export type Files = Record<string, string>;

export interface Built {
  outcome: BuildOutcome;
  output: string;
  /** Throws with the output when the build has failed. */
  slug: BuiltSlug;
}

/** A builder with folders of its own. */
export interface TestBuilds extends Disposable {
  paths: Paths;
  store: SlugStore;
  builder: Builder;
  build(files: Files, order?: Partial<BuildOrder>, signal?: AbortSignal): Promise<Built>;
  /** A path in the app's folder of a slug. */
  inSlug(slug: BuiltSlug, name: string): string;
  /** What the builder journalled. */
  journal: string[];
}

export function testBuilds(options: {
  sandbox: Sandbox;
  uid?: number;
  limits?: Partial<BuildLimits>;
  trustedOrigins?: string[];
  uv?: string | null;
}): TestBuilds {
  const home = mkdtempSync(join(tmpdir(), "zarpa-builds-"));
  const paths = pathsUnder(home);
  const store = createSlugStore(paths.slugs);
  const journal: string[] = [];
  const builder = createBuilder({
    paths,
    sandbox: options.sandbox,
    store,
    clock: systemClock,
    journal: streamJournal({ write: (line) => journal.push(line) }, systemClock.now),
    tools: { uv: options.uv ?? null, ...ownNode() },
    caBundle: hostCertificates,
    trustedOrigins: options.trustedOrigins ?? [],
    limits: { freeDiskBytes: 0, ...options.limits },
  });
  const uid = options.uid ?? (process.getuid?.() === 0 ? 200_500 : (process.getuid?.() ?? 0));
  return {
    paths,
    store,
    builder,
    journal,
    inSlug: (slug, name) => join(store.root(slug.tree), "app", name),
    async build(files, order = {}, signal = new AbortController().signal) {
      const id = newId();
      const folder = join(paths.builds, `push-${id}`, "source");
      writeFiles(folder, files);
      let output = "";
      const outcome = await builder.build(
        {
          id,
          app: { id: "app-1", name: "app-1", uid },
          stack: "heroku-24",
          source: { kind: "git", folder },
          buildpacks: [],
          remembered: [],
          configVars: {},
          firstBuild: true,
          sourceVersion: null,
          ...order,
        },
        (text) => (output += text.toString()),
        signal,
      );
      return {
        outcome,
        output,
        get slug() {
          if (outcome.status === "failed") throw new Error(`the build failed: ${outcome.reason}\n${output}`);
          return outcome.slug;
        },
      };
    },
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}

export function writeFiles(folder: string, files: Files): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (content.startsWith("-> ")) symlinkSync(content.slice(3), path);
    else writeFileSync(path, content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
  }
}

/** The sandbox for builder tests: the stack in namespaces of its own; or why there is none. */
export async function testSandbox(): Promise<{ sandbox: Sandbox } | { missing: string }> {
  if (process.getuid?.() !== 0) return { missing: "needs root for a sandbox" };
  const stack = await testStack();
  return "missing" in stack ? stack : { sandbox: namespaceSandbox(stack.root) };
}

/** uv for tests, as `npm test` brings it; or why there is none. */
export function testUv(): { uv: string } | { missing: string } {
  const uv = process.env["ZARPA_TEST_UV"];
  return uv !== undefined && existsSync(uv) ? { uv } : { missing: "needs uv: ZARPA_TEST_UV is not set" };
}
