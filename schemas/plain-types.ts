/*
 * What is built makes its schemas with these functions instead of TypeBox's, which take longer to load than many a
 * command. They make the same JSON, and nothing else of what TypeBox can; test/house/plain-types.test.ts compares.
 */

/** A JSON Schema. */
type Schema = Readonly<Record<string, unknown>>;
type Properties = Readonly<Record<string, Schema>>;

/** Marks properties that may be missing: a name that no JSON shows. */
const OPTIONAL = "~optional";

const basic =
  (type: string) =>
  (options: Schema = {}): Schema => ({ type, ...options });

function object(properties: Properties, options: Schema = {}): Schema {
  const required = Object.keys(properties).filter((name) => !(OPTIONAL in (properties[name] ?? {})));
  return { type: "object", ...(required.length > 0 ? { required } : {}), properties, ...options };
}

function optional(schema: Schema): Schema {
  return Object.defineProperty({ ...schema }, OPTIONAL, { value: true });
}

/** The part of TypeBox's `Type` that the product uses. */
export const Type = {
  String: basic("string"),
  Integer: basic("integer"),
  Number: basic("number"),
  Boolean: basic("boolean"),
  Null: basic("null"),
  Unknown: (options: Schema = {}): Schema => ({ ...options }),
  Literal: (value: unknown, options: Schema = {}): Schema => ({ type: typeof value, const: value, ...options }),
  Enum: (values: readonly unknown[], options: Schema = {}): Schema => ({ enum: values, ...options }),
  Array: (items: Schema, options: Schema = {}): Schema => ({ type: "array", items, ...options }),
  Union: (anyOf: readonly Schema[], options: Schema = {}): Schema => ({ anyOf, ...options }),
  Optional: optional,
  Object: object,
  Partial: ({ properties }: { readonly properties: Properties }, options: Schema = {}): Schema =>
    object(Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, optional(each)])), options),
  Record: ({ pattern = "^.*$" }: { readonly pattern?: string }, values: Schema, options: Schema = {}): Schema => ({
    type: "object",
    patternProperties: { [pattern]: values },
    ...options,
  }),
};
