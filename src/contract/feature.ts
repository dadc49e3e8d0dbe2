import { Type, type Static } from "typebox";
import { Id, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#app-feature, and the account's alike. */
export const Feature = Type.Object({
  created_at: Timestamp,
  description: Type.String(),
  display_name: Type.String(),
  doc_url: Type.String(),
  enabled: Type.Boolean(),
  feedback_email: Type.String(),
  id: Id,
  name: Type.String(),
  state: Type.String(),
  updated_at: Timestamp,
});
export type Feature = Static<typeof Feature>;

export const FeatureUpdate = Type.Object({ enabled: Type.Boolean() });
