import { Change, PlanSummary, ReportSummary, type Operation } from "@cache-ops/shared";

import type { Part } from "./openapi-parts.ts";

/** What several answers hold, by the names it goes by in the document. */
const SHARED = { Change, PlanSummary, ReportSummary };

/** The outputs of operations, each written once. */
export interface OutputSchemas {
  /** Every schema by its name, for `components.schemas`; each refers to the others it holds. */
  readonly schemas: Part;
  /** Refers to an operation's output. Throws for an operation that was not given: a bug of ours. */
  readonly refer: (operation: Operation) => Part;
}

/** Gives every output a name, those that are the same one name, and what is shared a name of its own. */
export function outputSchemas(operations: readonly Operation[]): OutputSchemas {
  const names = new Map(Object.entries(SHARED).map(([name, schema]) => [JSON.stringify(schema), name]));
  for (const { name, output } of operations) {
    const text = JSON.stringify(output);
    if (!names.has(text)) names.set(text, `${name.charAt(0).toUpperCase()}${name.slice(1)}Output`);
  }
  const schemas = [...names].map(([text, name]): [string, unknown] => [name, inside(JSON.parse(text), names)]);
  return {
    schemas: Object.fromEntries(schemas),
    refer: ({ name, output }) => {
      const known = names.get(JSON.stringify(output));
      if (known === undefined) throw new Error(`the output of ${name} has no name`);
      return referTo(known);
    },
  };
}

/** A schema whose parts refer to the named ones among them. */
function inside(value: unknown, names: ReadonlyMap<string, string>): unknown {
  const part = (held: unknown) => {
    const name = typeof held === "object" ? names.get(JSON.stringify(held)) : undefined;
    return name === undefined ? inside(held, names) : referTo(name);
  };
  if (Array.isArray(value)) return value.map(part);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, part(held)]));
}

function referTo(name: string): Part {
  return { $ref: `#/components/schemas/${name}` };
}
