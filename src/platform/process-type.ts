/** Process types and their rules: https://devcenter.heroku.com/articles/procfile */

/** Process type → command. */
export type ProcessTypes = Record<string, string>;

/** The type that takes HTTP requests. */
export const WEB = "web";
/** The type that runs once for each new release, before its dynos: https://devcenter.heroku.com/articles/release-phase */
export const RELEASE = "release";

const NAME = /^[-\w]{1,128}$/;

export function isProcessTypeName(name: string): boolean {
  return NAME.test(name);
}

/** What a type starts with when it is first deployed: https://devcenter.heroku.com/articles/scaling#dyno-formation */
export function firstQuantity(type: string): number {
  return type === WEB ? 1 : 0;
}

/** The command that `heroku run` means: a first word that names a process type stands for that type's command. */
export function expandCommand(command: string, types: ProcessTypes): string {
  const [, first = "", rest = ""] = /^\s*(\S+)([^]*)$/.exec(command) ?? [];
  return Object.hasOwn(types, first) ? `${types[first]}${rest}` : command;
}
