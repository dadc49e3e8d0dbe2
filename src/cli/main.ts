import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { exportLines, herokuEnvironment } from "./env.ts";
import type { Instance } from "./instance.ts";
import { messagesFor } from "./messages.ts";

export interface CliContext {
  env: Record<string, string | undefined>;
  version: string;
  /** Folder of this installation. */
  root: string;
  /** The program that runs this. */
  node: string;
  /** The platform that was started on this machine, or null. */
  instance: Instance | null;
  /** What a platform started from this environment would be like. */
  expected: Instance;
  out(text: string): void;
  fail(text: string): void;
}

/** The command `zarpa`: runs one command and resolves with the exit code. */
export async function main(argv: readonly string[], context: CliContext): Promise<number> {
  const messages = messagesFor(context.env);
  const [command = "help"] = argv;
  switch (command) {
    case "env":
      context.out(exportLines(herokuEnvironment(context.instance ?? context.expected)));
      return 0;
    case "status": {
      if (context.instance === null) {
        context.fail(`${messages.neverStarted}\n`);
        return 1;
      }
      // Loaded here: `zarpa env` stands in people's shell profiles and must not pay for it.
      const { netrcToken, statusReport } = await import("./status.ts");
      const token = context.env["HEROKU_API_KEY"] || netrcToken(readNetrc(context.env), `localhost:${context.instance.port}`);
      const report = await statusReport(context.instance, token, messages);
      context.out(report.text);
      return report.isUp ? 0 : 1;
    }
    case "service": {
      const { systemdUnit } = await import("./service.ts");
      const { home } = context.instance ?? context.expected;
      context.out(systemdUnit({ root: context.root, node: context.node, home, env: context.env }));
      return 0;
    }
    case "version":
    case "--version":
    case "-v":
      context.out(`zarpa/${context.version}\n`);
      return 0;
    case "help":
    case "--help":
    case "-h":
      context.out(messages.usage);
      return 0;
    default:
      context.fail(`${messages.unknownCommand(command)}\n`);
      return 2;
  }
}

function readNetrc(env: Record<string, string | undefined>): string {
  const file = join(env["HOME"] || "/", ".netrc");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
