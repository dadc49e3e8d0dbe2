import { systemClock } from "../../kernel/clock.ts";
import { streamJournal } from "../../kernel/journal.ts";
import { describeDriver } from "../driver-cases.ts";
import { createProcessDriver } from "./driver.ts";

const journal = streamJournal(process.stderr, () => systemClock.now());

describeDriver({
  name: "process",
  open: async (dynosFolder) => await createProcessDriver({ dynosFolder, journal, clock: systemClock }),
});
