import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import type { ManagedTotals } from "./managed-store.ts";
import { withManagedStore } from "./open.ts";
import type { ManagedCache } from "./settings.ts";

/** What one managed cache holds and how it was used, or why that cannot be told. */
export interface ManagedFigures {
  readonly cache: ManagedCache;
  /** `null` when its register cannot be reached. */
  readonly totals: ManagedTotals | null;
  readonly trouble: string | null;
}

/** The figures of every configured managed cache. One whose register cannot be reached does not hide the others. */
export async function managedFigures(context: Context): Promise<readonly ManagedFigures[]> {
  const figures: ManagedFigures[] = [];
  for (const cache of context.configuration.managed) {
    try {
      figures.push({ cache, totals: await withManagedStore(cache, context, (store) => store.totals()), trouble: null });
    } catch (error) {
      if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
      figures.push({ cache, totals: null, trouble: error.message });
    }
  }
  return figures;
}
