/**
 * A refusal: the caller asked for something the rules do not allow. It is thrown by the rooms that know the rules and becomes an
 * HTTP answer in one place (`src/api/errors.ts`). A fault of ours is a plain Error; a failure of the user's code is a state, not
 * an exception.
 */
export class Refusal extends Error {
  override name = "Refusal";
  readonly id: string;
  readonly details: Record<string, unknown>;

  /** `id` is one of Heroku's error ids (`not_found`, `invalid_params`, …); `details` are further members of the error body. */
  constructor(id: string, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.id = id;
    this.details = details;
  }
}
