import { Type, type Static } from "typebox";

/** Building blocks that many resources share. */

export const Id = Type.String({ format: "uuid" });
export const Timestamp = Type.String({ format: "date-time", description: "ISO 8601, UTC." });
export const NullableTimestamp = Type.Unsafe<string | null>({ type: ["string", "null"], format: "date-time" });
export const NullableString = Type.Unsafe<string | null>({ type: ["string", "null"] });
export const NullableInteger = Type.Unsafe<number | null>({ type: ["integer", "null"] });

export const NamedReference = Type.Object({ id: Id, name: Type.String() });
export type NamedReference = Static<typeof NamedReference>;

export const UserReference = Type.Object({ id: Id, email: Type.String() });
export type UserReference = Static<typeof UserReference>;

/** Path parameters: names or ids, everywhere. */
export const AppParams = Type.Object({ app: Type.String({ description: "Name or id of the app." }) });
