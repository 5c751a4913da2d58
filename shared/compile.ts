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

const ajv = new Ajv2020(RULES);

/**
 * The function that checks values against `schema` and fills in defaults. What is built has another body for this
 * module: there, schemas that are known were compiled beforehand, because compiling takes longer than most commands.
 */
export function compile(schema: TSchema): ValidateFunction {
  return ajv.compile(schema);
}
