import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import type { Plan } from "./plan.ts";

/** Throws `forbidden` when a plan does more than the operator lets this caller do at once. */
export function assertSize({ totals }: Plan, { bounds }: Context): void {
  const { maxEntries, maxBytes } = bounds ?? {};
  if (maxEntries !== undefined && totals.entries > maxEntries) {
    throw new CacheOpsError(
      "forbidden",
      `the plan changes ${totals.entries} entries; the operator allows ${maxEntries}`,
      {
        hint: `Make a smaller plan: maxEntries ${maxEntries}.`,
      },
    );
  }
  if (maxBytes !== undefined && totals.bytes > maxBytes) {
    throw new CacheOpsError("forbidden", `the plan frees ${totals.bytes} bytes; the operator allows ${maxBytes}`, {
      hint: "Make a smaller plan, with maxEntries or for fewer directories.",
    });
  }
}
