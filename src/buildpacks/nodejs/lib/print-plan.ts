import { printPlan } from "./plan.ts";

const [build = "", npmFolder = "", versionsFile = ""] = process.argv.slice(2);
process.stdout.write(printPlan(build, npmFolder, versionsFile));
