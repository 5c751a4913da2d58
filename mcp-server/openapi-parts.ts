/** What may stand in an OpenAPI document wherever it does not matter to us. */
export type Part = Readonly<Record<string, unknown>>;

/** Content in JSON. */
export function json(schema: Part): Part {
  return { content: { "application/json": { schema } } };
}

/** Answers that are errors, by reference. */
export function errors(...statuses: readonly number[]): Part {
  return Object.fromEntries(
    statuses.map((status) => [String(status), { $ref: `#/components/responses/Status${status}` }]),
  );
}
