import table from "./operations.json" with { type: "json" };

/** An operation of the core as the editor knows it: read off the registry when the extension is built. */
export interface OperationInfo {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly effect: string;
  /** Names of input properties that must be given. */
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, PropertyInfo>>;
}

/** JSON Schema of an input property, as far as a form needs it. */
export interface PropertyInfo {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly items?: { readonly type?: string; readonly enum?: readonly string[] };
}

/** Every operation, in the order of the registry. */
export const OPERATIONS: readonly OperationInfo[] = table;

/** The operation of this name. Throws when there is none, which is a bug. */
export function operationNamed(name: string): OperationInfo {
  const operation = OPERATIONS.find((candidate) => candidate.name === name);
  if (operation === undefined) throw new Error(`there is no operation ${name}`);
  return operation;
}
