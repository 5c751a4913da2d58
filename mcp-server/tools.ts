import { operations, type Operation } from "@cache-ops/shared";

import type { Settings } from "./settings.ts";

/** A JSON Schema of an object. */
export interface ObjectSchema {
  readonly type: "object";
  readonly properties: Record<string, object>;
  readonly required?: string[];
  readonly additionalProperties?: boolean;
}

/** One tool as it is offered to an agent; knows nothing of the SDK. */
export interface Tool {
  readonly operation: Operation;
  readonly inputSchema: ObjectSchema;
  readonly outputSchema: ObjectSchema;
  readonly annotations: Annotations;
}

/** The four hints of the protocol, derived from an operation's effect. */
interface Annotations {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

/** What managed caches need. */
const MANAGED = ["directories", "info", "register", "touch", "pin", "forget", "reconcile", "evict", "warm"];

/** Words that stand for several tools; also where a tool is called so. */
const GROUPS: ReadonlyMap<string, (operation: Operation) => boolean> = new Map([
  ["default", ({ isExtraTool }: Operation) => isExtraTool !== true],
  ["managed", ({ name }: Operation) => MANAGED.includes(name)],
  ["engines", ({ name }: Operation) => ["engines", "empty"].includes(name)],
  ["jellyfin", ({ name }: Operation) => ["jellyfin", "clear"].includes(name)],
]);

/**
 * The tools the operator lets an agent have, in the order of the registry: by name or by the word of a group; by
 * default those of the group `default`.
 */
export function toolsFor({ readOnly, tools = ["default"] }: Pick<Settings, "readOnly" | "tools">): Tool[] {
  return operations
    .filter((operation) => tools.some((word) => word === operation.name || GROUPS.get(word)?.(operation) === true))
    .filter(({ effect }) => effect === "read" || !readOnly)
    .map((operation) => ({
      operation,
      inputSchema: inputOf(operation),
      outputSchema: outputOf(operation),
      annotations: annotationsOf(operation),
    }));
}

/** Names of every tool there is. */
export const toolNames = operations.map(({ name }) => name);

/** Every word that names tools, groups first, for checking what the operator typed. */
export const toolWords = [...new Set([...GROUPS.keys(), ...toolNames])];

/** Properties that concern the answer, not the operation: each is taken out before the operation sees the input. */
export const PAGE_PROPERTIES = {
  limit: { type: "integer", minimum: 1, maximum: 500 },
  cursor: { type: "string", description: "nextCursor of the page before." },
  fields: { type: "array", items: { type: "string" }, description: "Only these of a row." },
} as const;

/** Passing over a guard is for a person at the command line, not for an agent. */
const WITHHELD = new Set(["allow"]);

/** What has to be repeated word for word, so that an approval shows the true effect. */
const REQUIRED = ["acknowledge"];

/** The input of an operation as it is offered over a network: without what is withheld, and with approvals required. */
export function offeredInput({ input }: Operation): ObjectSchema {
  const own = Object.entries(plain(input).properties).filter(([name]) => !WITHHELD.has(name));
  const properties = Object.fromEntries(own);
  const required = [...(input.required ?? []), ...REQUIRED.filter((name) => name in properties)];
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}), additionalProperties: false };
}

function inputOf(operation: Operation): ObjectSchema {
  const { properties, ...rest } = offeredInput(operation);
  const own = Object.entries(properties).map(([name, schema]) => [name, told(schema)] as const);
  const page = operation.rows === undefined ? {} : PAGE_PROPERTIES;
  return { ...rest, properties: { ...Object.fromEntries(own), ...page } };
}

/** What no model needs to be told: an example in the description says more. The operation checks all of it. */
const UNTOLD = new Set(["minLength", "maxLength", "minItems", "pattern", "default"]);

/** A property's schema without what is not told, and without descriptions of items beside that of their list. */
function told(schema: object): object {
  return Object.fromEntries(
    Object.entries(schema).flatMap(([name, value]): [string, unknown][] => {
      if (UNTOLD.has(name)) return [];
      if (name !== "items") return [[name, value]];
      const { description: _description, ...item } = told(value as object) as { readonly description?: string };
      return [[name, item]];
    }),
  );
}

/** The names of the properties that an operation's rows have. */
export function fieldsOf({ output, rows }: Operation): string[] {
  const { items } = plain(output).properties[rows ?? ""] as { readonly items: ObjectSchema };
  return Object.keys(items.properties);
}

/** The output without descriptions, and without demands on rows of which only some fields were asked for. */
function outputOf({ output }: Operation): ObjectSchema {
  const own = Object.entries(plain(output).properties).flatMap(([name, schema]) =>
    isNested(schema) ? [[name, { type: schema.type }] as const] : [],
  );
  const properties = Object.fromEntries(own);
  return {
    type: "object",
    properties: {
      ...properties,
      total: { type: "object" },
      omitted: { type: "object" },
    },
  };
}

function plain(schema: object): ObjectSchema {
  return JSON.parse(JSON.stringify(schema)) as ObjectSchema;
}

/** Whether a property of a result holds a list or an object: the others speak for themselves. */
function isNested(schema: object): schema is { readonly type: string } {
  return "type" in schema && (schema.type === "array" || schema.type === "object");
}

function annotationsOf({ effect, addsUp }: Operation): Annotations {
  return {
    readOnlyHint: effect === "read",
    destructiveHint: effect === "destroy",
    // A plan is applied once and asking again returns its report; undo likewise.
    idempotentHint: addsUp !== true,
    openWorldHint: false,
  };
}
