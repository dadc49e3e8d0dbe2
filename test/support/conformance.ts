import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { readReference } from "./reference.ts";

/** Heroku's published hyper-schema of the Platform API, of which this platform's answers must be instances. */
export const SCHEMA_FILE = "heroku-platform-schema.json";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

export interface Link {
  method: string;
  /** `/apps/{app.identity}/releases`. */
  href: string;
  resource: string;
  rel: string;
  /** Why the body is not what the schema says, or an empty list. Null: the schema says nothing about it. */
  problems: ((body: unknown) => string[]) | null;
}

/** Members that Heroku sends and the CLI reads, though the schema does not know them (reference, §8). */
const BESIDE_THE_SCHEMA: Record<string, string[]> = {
  app: ["process_tier"],
  release: ["extended"],
  dyno: ["extended"],
};

/** Where the schema only fits Heroku's own domains and data centres, or says `uri` for a bare host name. */
const PATCHES: { resource: string; field: string; change: (schema: JsonObject) => void }[] = [
  { resource: "app", field: "git_url", change: (schema) => delete schema["pattern"] },
  { resource: "app", field: "web_url", change: (schema) => delete schema["pattern"] },
  { resource: "domain", field: "hostname", change: (schema) => delete schema["format"] },
  {
    resource: "region",
    field: "provider",
    change: (schema) => delete ((schema["properties"] as JsonObject)["region"] as JsonObject)["enum"],
  },
];

/** The links of the published schema, each with a check of its answers. */
export function readLinks(): Link[] {
  const schema = JSON.parse(readReference(SCHEMA_FILE) ?? "{}") as { definitions: Record<string, JsonObject> };
  for (const { resource, field, change } of PATCHES) {
    const fields = schema.definitions[resource]?.["definitions"] as JsonObject;
    change(fields[field] as JsonObject);
  }
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
  addFormats.default(ajv);
  return Object.entries(schema.definitions).flatMap(([resource, definition]) =>
    ((definition["links"] ?? []) as JsonObject[]).map((link) => ({
      method: String(link["method"]),
      href: readableHref(String(link["href"])),
      resource,
      rel: String(link["rel"]),
      problems: link["targetSchema"] === undefined ? null : checker(ajv, target(schema, link["targetSchema"])),
    })),
  );
}

/** `{(%23%2Fdefinitions%2Fapp%2Fdefinitions%2Fidentity)}` → `{app.identity}`. */
function readableHref(href: string): string {
  return href.replace(/\{\((.*?)\)\}/g, (_, pointer: string) => {
    const [resource = "", field = ""] = decodeURIComponent(pointer).replace("#/definitions/", "").split("/definitions/");
    return `{${resource}.${field}}`;
  });
}

/** Compiled when it is first needed: most links are never asked. */
function checker(ajv: Ajv, schema: Json): (body: unknown) => string[] {
  let validate: ValidateFunction | null = null;
  return (body) => {
    validate ??= ajv.compile(schema as JsonObject);
    validate(body);
    return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
  };
}

/** The answer's schema without references. A bare resource gets its members made compulsory. */
function target(schema: unknown, node: Json): Json {
  const reference = (node as JsonObject)["$ref"] ?? ((node as JsonObject)["items"] as JsonObject | undefined)?.["$ref"];
  const resource = String(reference ?? "").replace("#/definitions/", "");
  const result = plain(schema, node) as JsonObject;
  const body = (result["type"] as Json[] | undefined)?.includes("array") === true ? (result["items"] as JsonObject) : result;
  for (const extra of BESIDE_THE_SCHEMA[resource] ?? []) {
    const properties = body["properties"] as JsonObject | undefined;
    if (properties !== undefined) properties[extra] = {};
  }
  return result;
}

/**
 * A draft-4 hyper-schema node as plain JSON Schema: references put in place, `strictProperties` (all members there, no others) in
 * standard words, annotations left out.
 */
function plain(schema: unknown, node: Json): Json {
  if (Array.isArray(node)) return node.map((each) => plain(schema, each));
  if (node === null || typeof node !== "object") return node;
  if (typeof node["$ref"] === "string") return plain(schema, resolve(schema, node["$ref"]));
  const skipped = new Set(["$schema", "definitions", "links", "example", "description", "title", "id"]);
  const result: JsonObject = {};
  for (const [name, value] of Object.entries(node)) {
    if (name === "properties") result[name] = plainMembers(schema, value as JsonObject);
    else if (!skipped.has(name)) result[name] = plain(schema, value);
  }
  if (node["strictProperties"] === true && result["properties"] !== undefined) {
    result["required"] = Object.keys(result["properties"] as JsonObject);
    result["additionalProperties"] = false;
  }
  return result;
}

/** Members may be called `description` or `id`: their names are not annotations. */
function plainMembers(schema: unknown, members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, plain(schema, value)]));
}

function resolve(schema: unknown, pointer: string): Json {
  const path = pointer.replace(/^#\//, "").split("/");
  return path.reduce<unknown>((node, part) => (node as Record<string, unknown>)[decodeURIComponent(part)], schema) as Json;
}
