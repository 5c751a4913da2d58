import { fromJsonSchema, type JsonSchemaType, type jsonSchemaValidator } from "@modelcontextprotocol/server";

/** A JSON Schema as the SDK takes it, compiled when the first value is checked: a server answers before that. */
export function lateSchema<T>(schema: JsonSchemaType): ReturnType<typeof fromJsonSchema<T>> {
  return fromJsonSchema<T>(schema, LATE);
}

const LATE: jsonSchemaValidator = {
  getValidator(schema: JsonSchemaType) {
    let compiled: ReturnType<typeof fromJsonSchema> | undefined;
    return (data: unknown) => {
      compiled ??= fromJsonSchema(schema);
      const result = compiled["~standard"].validate(data);
      if (result instanceof Promise) throw new TypeError("a JSON Schema is checked at once");
      return result.issues === undefined
        ? { valid: true, data: result.value as never, errorMessage: undefined }
        : { valid: false, data: undefined, errorMessage: result.issues.map(({ message }) => message).join("; ") };
    };
  },
};
