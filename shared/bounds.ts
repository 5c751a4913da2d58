import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import { quarantinedBytesOf, type Plan } from "./plan.ts";

/** Throws `forbidden` when a plan does more than the operator lets this caller do at once. */
export function assertSize(plan: Plan, { bounds }: Context): void {
  const { totals } = plan;
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
  // What goes to the quarantine is freed later, without anybody being asked again.
  const bytes = totals.bytes + quarantinedBytesOf(plan);
  if (maxBytes !== undefined && bytes > maxBytes) {
    throw new CacheOpsError("forbidden", `the plan frees ${bytes} bytes; the operator allows ${maxBytes}`, {
      hint: "Make a smaller plan, with maxEntries or for fewer directories.",
    });
  }
}
