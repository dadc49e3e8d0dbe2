/** Each app runs under a Unix user of its own; the numbers begin where no distribution's users are. */
const FIRST_APP_UID = 200_000;

/** The Unix user id of an app, from its number. */
export function appUid(number: number): number {
  return FIRST_APP_UID + number;
}
