import { Refusal } from "../kernel/refusal.ts";

/** The refusals that every resource has, in Heroku's words. */

/** 404: `Couldn't find that domain.` `resource` is Heroku's name of it, with underscores (`add_on`), which the CLI looks at. */
export function notFound(resource: string): Refusal {
  const words = resource.replace("add_on", "add-on").replaceAll("_", " ");
  return new Refusal("not_found", `Couldn't find that ${words}.`, { resource });
}

/** 422 with a message that says what to do. */
export function invalid(message: string): Refusal {
  return new Refusal("invalid_params", message);
}

const UNIQUE_VIOLATION = "23505";

/** Whether an insert or update failed because such a row exists already. */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === UNIQUE_VIOLATION;
}
