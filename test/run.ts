// `npm test`: the checks (format, lint, types, unused code, the tests beside the code), then acceptance: the whole platform with the real
// heroku CLI. `--check` runs the checks alone; further arguments are parts of the paths of the test files to run.
// The last line counts everything that ran.
import { globSync, mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { ensureStack } from "../src/builder/stack.ts";
import { messagesFor } from "../src/cli/messages.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { runCommand } from "../src/kernel/command.ts";
import { kernelObstacle } from "../bin/setup/driver.ts";
import { canInstall, commonNeeds, containerNeeds, installPackages, missingPackages, testNeeds } from "../bin/setup/packages.ts";
import { installCommand } from "../bin/setup/packages.ts";
import { findHostBundle, proxies } from "../bin/setup/programs.ts";
import { Progress } from "../bin/setup/progress.ts";
import { ensureUv } from "../bin/setup/uv.ts";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

const ROOT = join(import.meta.dirname, "..");
const CACHE = join(ROOT, ".cache");
/** An acceptance test builds whole apps; more than this is a hang. */
const ACCEPTANCE_TIMEOUT_MS = 20 * 60_000;
const UNIT_TIMEOUT_MS = 5 * 60_000;

const LINTERS: [name: string, argv: string[]][] = [
  ["format", ["oxfmt", "--check", "src", "bin", "test", "bench"]],
  ["lint", ["oxlint", "--quiet"]],
  ["types", ["tsc", "--noEmit"]],
  ["unused code", ["knip"]],
];

const messages = messagesFor(process.env);
const progress = new Progress(process.stderr, systemClock, messages);
const checkOnly = process.argv.includes("--check");
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));

const failedChecks: string[] = [];
const total: Count = { passed: 0, failed: 0, skipped: 0 };
process.umask(0o022);
await prepareMachine();
if (wanted.length === 0) for (const check of LINTERS) add(await runLinter(...check));
add(
  await runTests(
    "tests",
    ["src/**/*.test.ts", "bin/**/*.test.ts", "test/support/**/*.test.ts"],
    availableParallelism(),
    UNIT_TIMEOUT_MS,
  ),
);
// One at a time: each starts a platform of its own, with its own ports, and measures what users wait for.
if (!checkOnly) add(await runTests("acceptance", ["test/acceptance/**/*.test.ts"], 1, ACCEPTANCE_TIMEOUT_MS));
if (total.passed + total.failed === 0) total.failed = 1;
// They stand far above, before hundreds of tests.
if (failedChecks.length > 0) process.stdout.write(`✖ ${failedChecks.join(", ")}: see the beginning\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}\n`);
process.exit(total.failed === 0 ? 0 : 1);

function add(count: Count): void {
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
}

/** What the tests use for real: the programs, a stack and uv; a test whose part cannot be had says so and is skipped. */
async function prepareMachine(): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const common = commonNeeds({ privateDatabase: true, uv: true });
  const missing = missingPackages([...common, ...containerNeeds(), ...(checkOnly ? [] : testNeeds())]);
  if (missing.length > 0 && canInstall()) {
    await progress.step(messages.systemPackages(missing.join(", ")), async (report) => await installPackages(missing, report));
  } else if (missing.length > 0) {
    progress.say(messages.missingPackages(installCommand(missing)));
  }
  try {
    process.env["ZARPA_TEST_UV"] = await progress.step(messages.uv, async () => await ensureUv(join(CACHE, "tools")));
  } catch (error) {
    progress.say(messages.uvMissing((error as Error).message));
  }
  if ((await kernelObstacle(CACHE)) !== null || process.env["ZARPA_TEST_STACK"] !== undefined) return;
  const options = { name: "heroku-24", stacksFolder: join(CACHE, "stacks"), caBundle: findHostBundle(), proxies: proxies() };
  process.env["ZARPA_TEST_STACK"] = await progress.step(
    messages.stack,
    async (report) => await ensureStack({ ...options, onProgress: report }),
  );
}

async function runLinter(name: string, argv: string[]): Promise<Count> {
  const [program = "", ...rest] = argv;
  const env = { ...process.env, FORCE_COLOR: process.stdout.isTTY ? "1" : "0" } as Record<string, string>;
  const result = await runCommand([join(ROOT, "node_modules", ".bin", program), ...rest], { cwd: ROOT, env });
  const passed = result.exitCode === 0;
  if (!passed) failedChecks.push(name);
  process.stdout.write(passed ? `✔ ${name}\n` : `✖ ${name}\n${result.stdout}${result.stderr}\n`);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

async function runTests(name: string, patterns: string[], concurrency: number, timeout: number): Promise<Count> {
  const files = globSync(patterns, { cwd: ROOT })
    .map((file) => join(ROOT, file))
    .filter((file) => wanted.length === 0 || wanted.some((part) => relative(ROOT, file).includes(part)))
    .toSorted();
  const count: Count = { passed: 0, failed: 0, skipped: 0 };
  if (files.length === 0) return count;
  process.stdout.write(`\n${name}: ${files.length} files\n`);
  const stream = run({ files, concurrency, timeout, cwd: ROOT });
  stream.on("test:summary", ({ file, counts }) => {
    // The one without a file sums up all of them.
    if (file !== undefined) return;
    count.passed += counts.passed;
    count.failed += counts.tests - counts.passed - counts.skipped - counts.todo;
    count.skipped += counts.skipped + counts.todo;
  });
  for await (const text of stream.compose(spec)) process.stdout.write(text as string);
  return count;
}
