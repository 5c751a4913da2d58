import type { Change } from "./change.ts";
import type { Action, PlannedCache, Skipped } from "./plan.ts";

/** A change before it has a number. */
export type ChangeDraft = Omit<Change, "id">;

/** What a kind of cache makes of the selected findings: changes, the actions that carry them out, what it left alone. */
export interface Draft {
  readonly changes: readonly Change[];
  readonly actions: readonly Action[];
  readonly caches: readonly PlannedCache[];
  readonly skipped: readonly Skipped[];
  /** Bytes the actions free, as sizes of files before and after. */
  readonly bytes: number;
}
