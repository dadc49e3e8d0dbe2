import { systemClock } from "../../kernel/clock.ts";
import { streamJournal } from "../../kernel/journal.ts";
import { hostCertificates, testStack } from "../../../test/support/stack.ts";
import { describeDriver } from "../driver-cases.ts";
import { describeInside } from "../inside-cases.ts";
import { describeMemory } from "../memory-cases.ts";
import { describeSandbox } from "../sandbox-cases.ts";
import { describeSleep } from "../sleep-cases.ts";
import { createOciDriver } from "./driver.ts";
import { describeDisk } from "./disk-cases.ts";
import { describeIsolation } from "./isolation-cases.ts";
import { test } from "node:test";

const journal = streamJournal(process.stderr, () => systemClock.now());
const stack = await testStack();

if ("missing" in stack) {
  test("the oci driver", { skip: stack.missing }, () => {});
} else {
  describeDriver(
    {
      name: "oci",
      open: async (dynosFolder) =>
        await createOciDriver({
          dynosFolder,
          stackRoot: () => stack.root,
          caBundle: hostCertificates,
          journal,
          clock: systemClock,
        }),
    },
    (trial) => {
      describeSandbox(trial);
      describeSleep(trial);
      describeMemory(trial);
      describeInside(trial);
      describeIsolation(trial, stack.root);
      describeDisk(trial);
    },
  );
}
