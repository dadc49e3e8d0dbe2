import { randomInt } from "node:crypto";
import { invalid } from "./refusals.ts";

/** https://devcenter.heroku.com/articles/creating-apps#app-name-restrictions */
const MIN_LENGTH = 3;
const MAX_LENGTH = 30;
const SHAPE = /^[a-z][a-z0-9-]*[a-z0-9]$/;
/** Hosts beside the apps' that the platform may want for itself. */
const RESERVED = new Set(["api", "console", "dashboard", "git", "registry", "status", "www"]);

/** Refuses a name that no app may have, in Heroku's words. */
export function checkAppName(name: string): void {
  if (name.length < MIN_LENGTH) throw invalid(`Name is too short (minimum is ${MIN_LENGTH} characters)`);
  if (name.length > MAX_LENGTH) throw invalid(`Name is too long (maximum is ${MAX_LENGTH} characters)`);
  if (!SHAPE.test(name)) {
    throw invalid(
      "Name must start with a letter, end with a letter or digit and can only contain lowercase letters, digits, and dashes.",
    );
  }
  if (RESERVED.has(name)) throw invalid(`Name ${name} is reserved. Please choose another one.`);
}

const ADJECTIVES = words(`
  afternoon ancient arcane autumn blooming blue boiling bold broken calm cold cryptic damp dark dawn delicate dry evening falling fast
  fathomless fierce floating fragrant frozen gentle glacial green guarded hidden holy immense infinite intense limitless lingering
  little lively lonely misty morning mysterious nameless obscure old patient peaceful polished powerful protected proud pure quiet
  radiant rocky rough safe salty secret serene shielded shrouded silent sleepy snowy sparkling spring still stormy summer sweet
  thawing tranquil vast wandering warm whispering white wild winter young`);
const NOUNS = words(`
  atoll badlands bastion bayou beach brook brushlands cave chamber citadel cliffs coast cove crag depths dusk earth escarpment everglades
  falls fjord forest fortress garden gorge grove harbor headland hollows inlet island journey lake lagoon lowlands meadow mesa mountain
  oasis ocean peak plains plateau pond prairie ravine reaches reef refuge ridge river sands sea shelf shore sierra spire springs stream
  summit taiga temple thicket tundra valley wave waters wildwood woodland`);

/** A name like `whispering-plains-41029`. */
export function randomAppName(): string {
  const number = String(randomInt(100_000)).padStart(5, "0");
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}-${number}`;
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

function pick(list: readonly string[]): string {
  return list[randomInt(list.length)] ?? "";
}
