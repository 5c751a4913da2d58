import type { Context, Operation } from "@cache-ops/shared";

import { carryOut, type Output, type Work } from "./work.ts";

/** Runs operations of the registry by their names. */
export interface Runner {
  /** Throws when there is none: a bug of ours. */
  readonly named: (name: string) => Operation;
  readonly run: (name: string, input: Readonly<Record<string, unknown>>, context: Context) => Promise<Output>;
}

/** Runs operations for routes that stand for more than one. */
export function makeRunner(operations: readonly Operation[], work: Work): Runner {
  const named = (name: string) => {
    const operation = operations.find((candidate) => candidate.name === name);
    if (operation === undefined) throw new Error(`there is no operation ${name}`);
    return operation;
  };
  return { named, run: (name, input, context) => carryOut(named(name), { ...input }, context, work, "rest") };
}
