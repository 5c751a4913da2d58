import { OPERATIONS } from "./operations.ts";

/** A task of ours as somebody wrote it into tasks.json. */
export interface CacheOpsTask {
  readonly operation: string;
  readonly args: readonly string[];
}

/** Whether this is a definition of ours that can be run. Throws with what to correct when it is not. */
export function parseTask(definition: Readonly<Record<string, unknown>>): CacheOpsTask {
  const { operation, args = [] } = definition;
  if (!OPERATIONS.some(({ name }) => name === operation)) {
    const names = OPERATIONS.map(({ name }) => name).join(", ");
    throw new Error(`a task of type cache-ops needs an operation, one of ${names}`);
  }
  if (!Array.isArray(args) || !args.every((word) => typeof word === "string"))
    throw new Error("args of a task of type cache-ops is a list of texts");
  return { operation: operation as string, args };
}

/** Operations that make sense as a task without a word more: those that only look, cleanup's plan among them. */
export const OFFERED: readonly string[] = OPERATIONS.filter(
  ({ effect, required }) => effect === "read" && required.length === 0,
)
  .map(({ name }) => name)
  .filter((name) => !["repair", "history", "warm"].includes(name));
