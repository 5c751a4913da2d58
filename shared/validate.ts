import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import type { Static, TSchema } from "typebox";

import { compile, compileQuick } from "./compile.ts";
import { CacheOpsError } from "./errors.ts";

const [thorough, quick] = [new WeakMap<TSchema, ValidateFunction>(), new WeakMap<TSchema, ValidateFunction>()];

/** Whether `value` has the shape of `schema`. Fills in defaults. */
export function matches<S extends TSchema>(schema: S, value: unknown): value is Static<S> {
  return validatorOf(schema, quick, compileQuick)(value);
}

/**
 * The value, checked against its schema and completed with defaults.
 *
 * Throws `invalid_input` that names every offending path, the rule it broke and the values that are allowed.
 * `subject` names the document in the message ("input of cleanup", "configuration").
 */
export function parse<S extends TSchema>(schema: S, value: unknown, subject: string): Static<S> {
  if (matches(schema, value)) return value;
  // Only what is wrong is worth the time to find out everything about it.
  const validator = validatorOf(schema, thorough, compile);
  validator(value);
  const problems = explain(validator.errors ?? []);
  throw new CacheOpsError("invalid_input", `${subject} is not valid: ${problems.join("; ")}`, {
    hint: `Correct ${problems.length === 1 ? "this value" : "these values"} and try again.`,
  });
}

function validatorOf(
  schema: TSchema,
  compiled: WeakMap<TSchema, ValidateFunction>,
  make: typeof compile,
): ValidateFunction {
  let validator = compiled.get(schema);
  if (validator === undefined) {
    validator = make(schema);
    compiled.set(schema, validator);
  }
  return validator;
}

/** One line an error: path, rule, allowed values. The branches of a failed union are folded into one line. */
function explain(errors: readonly ErrorObject[]): string[] {
  const unions = errors.filter((error) => error.keyword === "anyOf" || error.keyword === "oneOf");
  const insideUnion = (error: ErrorObject) =>
    unions.some((union) => error !== union && error.schemaPath.startsWith(`${union.schemaPath}/`));
  return [...new Set(errors.filter((error) => !insideUnion(error)).map((error) => line(error, errors)))];
}

function line(error: ErrorObject, all: readonly ErrorObject[]): string {
  const path = error.instancePath === "" ? "(top level)" : error.instancePath;
  switch (error.keyword) {
    case "additionalProperties":
      return `${path}: unknown property ${quote(error.params["additionalProperty"])}; known are ${known(error)}`;
    case "required":
      return `${path}: property ${quote(error.params["missingProperty"])} is required`;
    case "enum":
      return `${path}: must be one of ${list(error.params["allowedValues"])}, not ${quote(error.data)}`;
    case "anyOf":
    case "oneOf": {
      const constants = all
        .filter((other) => other.keyword === "const" && other.schemaPath.startsWith(error.schemaPath))
        .map((other) => (other.params as { allowedValue: unknown }).allowedValue);
      if (constants.length > 0) return `${path}: must be one of ${list(constants)}, not ${quote(error.data)}`;
      return `${path}: matches none of the allowed forms`;
    }
    default:
      return `${path}: ${error.message ?? error.keyword} (rule ${error.keyword}), got ${quote(error.data)}`;
  }
}

function known(error: ErrorObject): string {
  const properties: unknown = error.parentSchema?.["properties"];
  return typeof properties === "object" && properties !== null ? list(Object.keys(properties)) : "none";
}

function list(values: unknown): string {
  return Array.isArray(values) ? values.map(quote).join(", ") : quote(values);
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
