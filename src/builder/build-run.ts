import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Paths } from "../kernel/paths.ts";
import { BuildFailure } from "./build-failure.ts";
import { fetchBuildpack } from "./buildpack-fetch.ts";
import { type BuildpackChoice, OWN_BUILDPACKS, ownBuildpack, resolveBuildpack } from "./buildpack.ts";
import { type DriverAnswer, readAnswer, rootNames } from "./build-result.ts";
import { findCachedTrees } from "./cached-trees.ts";
import { download } from "./download.ts";
import { type BuildTools, layOut, type Layout, OWN_FOLDERS } from "./layout.ts";
import { type BuildLimits, freeBytes, Guard, usedBytes } from "./limits.ts";
import { complaint, heading, processTypesText, sizeText, stoppedText, undetectedText } from "./outcome-text.ts";
import type {
  BuildOrder,
  BuildOutcome,
  BuildWriter,
  BuiltSlug,
  Sandbox,
  SandboxCommand,
  SandboxEnding,
  SandboxStandby,
} from "./ports.ts";
import { misnamedProcfile, parseProcfile, type Procfile } from "./procfile.ts";
import { removeIgnored, slugignorePatterns } from "./slugignore.ts";
import { removeTree, type SlugStore } from "./slug-store.ts";
import type { Standbys } from "./standby.ts";
import { unpack } from "./unpack.ts";
import {
  adoptSource,
  clearWorkspace,
  isIntact,
  openWorkspace,
  readUserFile,
  type Workspace,
  writeConfigVars,
} from "./workspace.ts";

export interface BuilderOptions {
  paths: Pick<Paths, "builds" | "caches">;
  sandbox: Sandbox;
  store: SlugStore;
  clock: Clock;
  journal: Journal;
  tools: BuildTools;
  /** The host's bundle of trusted authorities, seen by builds; null: the stack's own. */
  caBundle: string | null;
  /** Origins of the platform itself, from which sources may come although they lie on this machine. */
  trustedOrigins: readonly string[];
  limits?: Partial<BuildLimits>;
}

const AFTERWARDS_MILLISECONDS = 3000;
const MAX_SMALL_FILE_BYTES = 1_000_000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** One build, from its order to its outcome. */
export class BuildRun {
  readonly #options: BuilderOptions;
  readonly #limits: BuildLimits;
  readonly #standbys: Standbys;
  readonly #order: BuildOrder;
  readonly #write: BuildWriter;
  readonly #guard: Guard;
  readonly #signal: AbortSignal;
  readonly #folder: string;
  readonly #uid: number;
  /** A place that has been made for this build and waits for its command. */
  #place: SandboxStandby | null = null;

  constructor(
    options: BuilderOptions,
    limits: BuildLimits,
    standbys: Standbys,
    order: BuildOrder,
    write: BuildWriter,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#standbys = standbys;
    this.#order = order;
    this.#write = write;
    this.#guard = new Guard(limits);
    this.#signal = AbortSignal.any([signal, this.#guard.signal]);
    this.#folder = join(options.paths.caches, order.app.id);
    this.#uid = order.app.uid;
  }

  async run(): Promise<BuildOutcome> {
    try {
      this.#write(heading(`Building on the ${stackName(this.#order.stack)} stack`));
      return { status: "succeeded", slug: await this.#make() };
    } catch (error) {
      if (this.#signal.aborted && !(error instanceof BuildFailure)) return this.#fail(stoppedText("aborted", "", this.#limits));
      if (error instanceof BuildFailure) return this.#fail({ reason: error.message, lines: error.lines });
      this.#options.journal.fault("build.failed", error, { build_id: this.#order.id, app_id: this.#order.app.id });
      return this.#fail({
        reason: "a fault of the platform",
        lines: ["The platform failed, not your app: the operator finds the cause in its journal.", "Please push again."],
      });
    } finally {
      await this.#place?.drop();
      await this.#dropSource();
    }
  }

  async #make(): Promise<BuiltSlug> {
    const { clock, store } = this.#options;
    // Only our own buildpacks are mounted in it: others are fetched first.
    const standby = await this.#standbys.take(
      this.#order,
      this.#asked.every((choice) => ownBuildpack(choice) !== null),
    );
    this.#place = standby?.place ?? null;
    await mkdir(this.#folder, { recursive: true, mode: 0o711 });
    const free = await freeBytes(this.#folder);
    if (free < this.#limits.freeDiskBytes) throw this.#stopped("disk", "");
    // Ready when the build is: the thread needs as long to start as a small app to be sealed.
    store.warmUp();
    const workspace = standby?.workspace ?? (await openWorkspace(this.#folder, this.#uid));
    const ended = new AbortController();
    let inode: number | null = null;
    try {
      inode = await this.#takeSource(workspace);
      const ignored = slugignorePatterns((await readUserFile(join(workspace.build, ".slugignore"), MAX_SMALL_FILE_BYTES)) ?? "");
      await removeIgnored(workspace.build, ignored);
      const procfile = await readUserFile(join(workspace.build, "Procfile"), MAX_SMALL_FILE_BYTES);
      if (procfile !== null) this.#checkProcfile(parseProcfile(procfile));
      await writeConfigVars(workspace, this.#order.configVars, this.#uid);
      void this.#guard.watchDisk(this.#folder, clock, ended.signal);
      const { answer, choices } = await this.#compile(workspace, inode);
      return await this.#seal(workspace, answer, choices);
    } finally {
      ended.abort();
      await this.#tidy(workspace, inode);
      await this.#boundCache(workspace, free);
    }
  }

  /** The user's buildpacks, or those of the last build. */
  get #asked(): BuildpackChoice[] {
    const { buildpacks, remembered } = this.#order;
    return buildpacks.length > 0 ? buildpacks : remembered;
  }

  async #takeSource(workspace: Workspace): Promise<number> {
    const { source } = this.#order;
    if (source.kind === "git") return await adoptSource(source.folder, workspace, this.#uid);
    const { builds } = this.#options.paths;
    await mkdir(builds, { recursive: true, mode: 0o711 });
    const draft = await mkdtemp(join(builds, "source-"));
    try {
      const { sourceBytes } = this.#limits;
      const { trustedOrigins } = this.#options;
      const archive = join(draft, "archive");
      const sum = await download({ url: source.url, to: archive, maxBytes: sourceBytes, trustedOrigins, signal: this.#signal });
      const wanted = source.checksum?.replace(/^sha256:/i, "").toLowerCase();
      if (wanted !== undefined && wanted !== sum) {
        throw new BuildFailure(`The source's checksum is SHA256:${sum}, not the ${source.checksum} that was given.`);
      }
      await mkdir(join(draft, "source"));
      await unpack(archive, join(draft, "source"), sourceBytes);
      return await adoptSource(join(draft, "source"), workspace, this.#uid);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }

  /** Detect, compile and release: one command in the sandbox. */
  async #compile(workspace: Workspace, inode: number): Promise<{ answer: DriverAnswer; choices: BuildpackChoice[] }> {
    const { sandbox, tools, caBundle } = this.#options;
    const order = this.#order;
    const asked = this.#asked;
    const fetched: string[] = [];
    const places: ((layout: Layout) => string)[] = [];
    for (const choice of asked) {
      const source = resolveBuildpack(choice);
      if (source.kind === "own") {
        places.push((layout) => `${layout.buildpacks}/${source.folder}`);
        continue;
      }
      const index = fetched.push(await this.#fetch(workspace, source, fetched.length)) - 1;
      places.push((layout) => layout.fetched(index));
    }
    const layout = layOut(workspace, sandbox.isolated, tools, caBundle, fetched);
    const listed = asked.flatMap((choice, index) => [choice.name, places[index]?.(layout) ?? ""]);
    const own = OWN_BUILDPACKS.flatMap(({ name, folder }) => [name, `${layout.buildpacks}/${folder}`]);
    const { build, cache, env, result, copies } = layout;
    const modeArguments = order.buildpacks.length > 0 ? ["set", ...listed] : ["find", ...listed, "--", ...own];
    const ending = await this.#runInside(layout, {
      argv: ["/bin/bash", `${layout.driver}/build.bash`, build, cache, env, result, copies, ...modeArguments],
      cwd: layout.build,
      mounts: layout.mounts,
      timeoutMilliseconds: this.#limits.milliseconds,
      place: this.#place,
    });
    if (!(await isIntact(workspace, inode))) throw new BuildFailure("the build has moved its own BUILD_DIR away");
    const answer = await readAnswer(workspace);
    const what = answer.description === null ? "the app" : `${answer.description} app`;
    if (ending.reason !== "exit") throw this.#stopped(ending.reason, what);
    if (!answer.started) throw new Error(`the sandbox ended with status ${ending.exitCode} before the build began`);
    if (answer.failure !== null || ending.exitCode !== 0 || !answer.done) throw await this.#explain(answer, workspace);
    const known = [...asked, ...OWN_BUILDPACKS.map(({ name }) => ({ name, url: `urn:buildpack:${name}` }))];
    const choices = answer.buildpacks.flatMap((name) => known.find((choice) => choice.name === name) ?? []);
    return { answer, choices };
  }

  async #fetch(workspace: Workspace, source: ReturnType<typeof resolveBuildpack>, index: number): Promise<string> {
    const { sandbox, tools, caBundle, trustedOrigins } = this.#options;
    const layout = layOut(workspace, sandbox.isolated, tools, caBundle, []);
    const folder = join(this.#folder, "buildpacks");
    const key = source.kind === "own" ? "" : source.key;
    return await fetchBuildpack(source, {
      folder,
      own: OWN_FOLDERS.buildpacks,
      inside: { driver: layout.driver, fetched: sandbox.isolated ? layout.fetched(index) : join(folder, key) },
      uid: this.#uid,
      trustedOrigins,
      signal: this.#signal,
      say: this.#write,
      run: async (command) => {
        // What git is told by a stranger's server must not reach the app's files.
        const mounts = sandbox.isolated ? [...layout.mounts.filter(({ writable }) => !writable), ...command.mounts] : [];
        const ending = await this.#runInside(layout, { ...command, mounts }, `-fetch-${index}`);
        return ending.reason === "exit" ? ending.exitCode : 1;
      },
    });
  }

  async #runInside(
    layout: Layout,
    command: Pick<SandboxCommand, "argv" | "cwd" | "mounts" | "timeoutMilliseconds"> & { place?: SandboxStandby | null },
    suffix = "",
  ): Promise<SandboxEnding> {
    const { id, stack, sourceVersion } = this.#order;
    const { place, ...rest } = command;
    const order: SandboxCommand = {
      ...rest,
      id: `${id}${suffix}`,
      stack,
      env: {
        PATH,
        HOME: layout.home,
        LANG: "C.UTF-8",
        STACK: stack,
        REQUEST_ID: id,
        ...(sourceVersion === null ? {} : { SOURCE_VERSION: sourceVersion }),
        ...layout.toolEnv,
      },
      uid: this.#uid,
      memoryBytes: this.#limits.memoryBytes,
      signal: this.#signal,
      onOutput: (chunk) => {
        const admitted = this.#guard.admit(chunk);
        if (admitted.length > 0) this.#write(admitted);
      },
    };
    if (place === undefined || place === null) return await this.#options.sandbox.run(order);
    this.#place = null;
    return await place.run(order);
  }

  async #seal(workspace: Workspace, answer: DriverAnswer, choices: BuildpackChoice[]): Promise<BuiltSlug> {
    const procfile = answer.procfile ?? { types: {}, problems: [], warnings: [] };
    this.#checkProcfile(procfile);
    this.#write(processTypesText(Object.keys(procfile.types), Object.keys(answer.defaults)));
    for (const warning of procfile.warnings) this.#write(complaint(warning));
    if (answer.procfile === null) {
      const misnamed = misnamedProcfile(await rootNames(workspace.build));
      if (misnamed !== null) this.#write(complaint(`The file "${misnamed}" is ignored: its name must be "Procfile", exactly.`));
    }
    this.#write(heading("Compressing..."));
    const { store, clock, journal } = this.#options;
    const cached = await this.#cachedTrees(workspace);
    const spares = join(this.#folder, "spares");
    const sealed = await store.seal({
      folder: workspace.build,
      owner: this.#uid,
      cached,
      spares,
      record: join(this.#folder, "sealed.json"),
      maxBytes: this.#limits.slugBytes,
    });
    if (!sealed.ok) {
      throw new BuildFailure(sealed.problem, [
        sealed.problem,
        "See which folders are large, and keep them out of the slug by a .slugignore file:",
        "https://devcenter.heroku.com/articles/slug-compiler#slug-size",
      ]);
    }
    this.#write(`       Done: ${sizeText(sealed.size)}\n`);
    // Later: the release's own transaction waits for the same disk, and its dynos are about to start.
    clock.after(AFTERWARDS_MILLISECONDS, () => {
      store.flush();
      const paths = cached.map(({ path }) => path);
      store.spare({ tree: sealed.tree, paths, spares }).catch((error: unknown) => journal.fault("build.spare", error));
    });
    return {
      tree: sealed.tree,
      checksum: `SHA256:${sealed.tree}`,
      size: sealed.size,
      processTypes: { ...answer.defaults, ...procfile.types },
      buildpacks: choices,
      description: answer.description,
    };
  }

  #checkProcfile(procfile: Procfile): void {
    if (procfile.problems.length === 0) return;
    throw new BuildFailure("the Procfile has a syntax error", [
      ...procfile.problems,
      "A Procfile has one process type a line, for example:  web: gunicorn app:app",
      "Push rejected, the Procfile has a syntax error.",
    ]);
  }

  async #cachedTrees(workspace: Workspace): ReturnType<typeof findCachedTrees> {
    const { sandbox, tools, caBundle } = this.#options;
    const { buildNames } = layOut(workspace, sandbox.isolated, tools, caBundle, []);
    return await findCachedTrees(workspace.cache, workspace.build, buildNames);
  }

  async #explain(answer: DriverAnswer, workspace: Workspace): Promise<BuildFailure> {
    const { word, about } = answer.failure ?? { word: "compile", about: answer.description ?? "the" };
    if (word === "undetected") {
      this.#write(undetectedText(await rootNames(workspace.build).catch(() => [])));
      return new BuildFailure("no default language could be detected", []);
    }
    if (word === "incompatible") {
      return new BuildFailure(`the app is not compatible with the buildpack ${about}`, [
        `App not compatible with buildpack: ${about}`,
        "More info: https://devcenter.heroku.com/articles/buildpacks#detection-failure",
      ]);
    }
    if (word === "broken") {
      const line = `The buildpack ${about} has no executable bin/detect and bin/compile: it is no classic buildpack.`;
      return new BuildFailure(line);
    }
    const reason = `failed to compile ${about} app`;
    return new BuildFailure(reason, [`Push rejected, ${reason}.`]);
  }

  #stopped(why: Parameters<typeof stoppedText>[0], what: string): BuildFailure {
    const text = stoppedText(why === "aborted" ? (this.#guard.stopped ?? why) : why, what, this.#limits);
    return new BuildFailure(text.reason, text.lines);
  }

  #fail(failure: { reason: string; lines: string[] }): BuildOutcome {
    for (const line of failure.lines) this.#write(complaint(line));
    if (failure.lines.length > 0) this.#write("\n");
    this.#write(complaint("Push failed"));
    return { status: "failed", reason: failure.reason };
  }

  /** What must not stay, config vars first. After a failure the cached trees go home, so that nothing is installed again. */
  async #tidy(workspace: Workspace, inode: number | null): Promise<void> {
    try {
      await removeTree(workspace.env);
      const intact = inode !== null && (await isIntact(workspace, inode));
      if (intact)
        for (const tree of await this.#cachedTrees(workspace)) await rename(join(workspace.build, tree.path), tree.home);
      await clearWorkspace(workspace);
    } catch (error) {
      // The next build of the app clears what is left.
      this.#options.journal.fault("build.tidy_failed", error, { build_id: this.#order.id });
    }
  }

  /** Measuring takes its time: it is done only when the build has cost the disk something, or the disk has little left. */
  async #boundCache({ cache }: Workspace, freeBefore: number): Promise<void> {
    const { cacheBytes, freeDiskBytes } = this.#limits;
    const free = await freeBytes(this.#folder);
    if (freeBefore - free < cacheBytes / 10 && free > 8 * freeDiskBytes) return;
    const used = await usedBytes(cache);
    if (used <= cacheBytes) return;
    this.#write(
      complaint(`The build cache has ${sizeText(used)}, more than the ${sizeText(cacheBytes)} allowed, and is cleared.`),
    );
    await this.#options.store.discard(this.#folder);
  }

  async #dropSource(): Promise<void> {
    const { source } = this.#order;
    if (source.kind === "git") await removeTree(source.folder).catch(() => {});
  }
}

/** `heroku-24` → `Heroku-24`. */
function stackName(stack: string): string {
  return `${stack.charAt(0).toUpperCase()}${stack.slice(1)}`;
}
