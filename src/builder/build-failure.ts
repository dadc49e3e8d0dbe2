/**
 * The user's source cannot be built: thrown between the steps of a build and turned into its outcome in one place (`builder.ts`).
 * `lines` are shown after ` !     `; the last one says what to do.
 */
export class BuildFailure extends Error {
  override name = "BuildFailure";
  readonly lines: string[];

  /** `reason` is the short form for the build's row and the push's last line. */
  constructor(reason: string, lines: string[] = [reason]) {
    super(reason);
    this.lines = lines;
  }
}
