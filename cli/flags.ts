import type { Operation } from "@cache-ops/shared/start";

import { Option } from "commander";

/** What a flag needs to know of the JSON Schema of its property. */
interface PropertySchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: PropertySchema;
}

/** The properties of an operation's input that are flags, and the one given without a name. */
export function propertiesOf(operation: Operation): {
  readonly flags: readonly (readonly [name: string, schema: PropertySchema])[];
  readonly positional: (PropertySchema & { readonly name: string; readonly required: boolean }) | undefined;
} {
  const properties = Object.entries(operation.input.properties) as [string, PropertySchema][];
  const own = properties.find(([name]) => name === operation.positional);
  return {
    flags: properties.filter(([name]) => name !== operation.positional),
    positional: own && { ...own[1], name: own[0], required: operation.input.required?.includes(own[0]) ?? false },
  };
}

/** The option for one property. Lists may be given several times or with commas; the schema checks the values. */
export function optionFor(name: string, schema: PropertySchema): Option {
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const description = `${schema.description ?? ""}${allowed(schema)}`;
  switch (schema.type) {
    case "boolean": {
      // What is on by default can only be turned off.
      if (schema.default === true) return new Option(`--no-${flag.slice(2)}`, description.replace(/^false: /, ""));
      const option = new Option(flag, description);
      // `--no-cache` stands for the property noCache, not for a property cache that is set to false.
      option.negate = false;
      return option;
    }
    case "array": {
      const numbers = schema.items?.type === "integer";
      return new Option(`${flag} <value...>`, description).argParser((value: string, before: unknown) => {
        const parts = schema.items?.enum || numbers ? value.split(",") : [value];
        return [...(Array.isArray(before) ? before : []), ...(numbers ? parts.map(numberOr) : parts)] as unknown[];
      });
    }
    case "integer":
    case "number":
      return new Option(`${flag} <number>`, description).argParser(numberOr);
    default:
      return new Option(`${flag} <value>`, description);
  }
}

function allowed(schema: PropertySchema): string {
  const values = schema.enum ?? schema.items?.enum;
  return values === undefined ? "" : ` [${values.join(", ")}]`;
}

/** A number, or the text itself, which the schema then refuses with the rule it breaks. */
function numberOr(text: string): number | string {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
