import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { TSchema } from "typebox";

/** How schemas are compiled, here and when the product is built (schemas/validators.ts). */
export const RULES = {
  allErrors: true,
  strict: true,
  useDefaults: true,
  verbose: true,
  allowUnionTypes: true,
} as const;

/** How they are compiled for who only asks whether a value fits: of a long list that takes a tenth of the time. */
export const QUICK_RULES = { ...RULES, allErrors: false, verbose: false, inlineRefs: false } as const;

const [thorough, quick] = [new Ajv2020(RULES), new Ajv2020(QUICK_RULES)];

/**
 * The function that checks values against `schema`, fills in defaults and tells of everything that is wrong. What is
 * built has another body for this module: there, schemas that are known were compiled beforehand, because compiling
 * takes longer than most commands.
 */
export function compile(schema: TSchema): ValidateFunction {
  return thorough.compile(schema);
}

/** {@link compile} for a function that gives up at the first thing that is wrong. It takes the same values. */
export function compileQuick(schema: TSchema): ValidateFunction {
  return quick.compile(condensed(schema));
}

/**
 * The same schema with each object in it written once, under `$defs`. Each then has a function of its own, and those
 * of the many alternatives that a value does not have are never made ready to run.
 */
export function condensed(schema: object): object {
  const names = new Map<string, string>();
  const $defs: Record<string, unknown> = {};
  const within = (value: object) => Object.fromEntries(Object.entries(value).map(([key, part]) => [key, walk(part)]));
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    const own = within(value);
    // A default belongs to the place where the object stands.
    if (own["type"] !== "object" || "default" in own) return own;
    const text = JSON.stringify(own);
    const name = names.get(text) ?? `object${names.size}`;
    names.set(text, name);
    $defs[name] = own;
    return { $ref: `#/$defs/${name}` };
  };
  return { ...within(schema), $defs };
}
