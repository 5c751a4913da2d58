import { Type, type Static } from "typebox";

import type { Context } from "../../context.ts";
import type { Trouble } from "../../finding.ts";
import { formatBytes } from "../../units.ts";
import { count } from "../../view.ts";
import { managedFigures } from "./figures.ts";

/** Figures of one managed cache. */
export const ManagedStatistics = Type.Object(
  {
    name: Type.String(),
    root: Type.String(),
    directories: Type.Integer(),
    bytes: Type.Integer(),
    maxBytes: Type.Union([Type.Integer(), Type.Null()], { description: "The quota; null: none." }),
    usedPercent: Type.Union([Type.Number(), Type.Null()], { description: "Of the quota; null: there is none." }),
    pinned: Type.Integer(),
    hits: Type.Integer({ description: "Uses of directories that were there." }),
    misses: Type.Integer({ description: "Asks for directories that were not." }),
    hitRate: Type.Union([Type.Number(), Type.Null()], { description: "Hits of all asks, 0 to 1; null: none yet." }),
    evictions: Type.Integer(),
    reclaimedBytes: Type.Integer(),
  },
  { additionalProperties: false },
);
export type ManagedStatistics = Static<typeof ManagedStatistics>;

/** Figures of every managed cache; one whose register cannot be reached is a trouble. */
export async function managedStatistics(context: Context): Promise<{
  readonly figures: readonly ManagedStatistics[];
  readonly troubles: readonly Trouble[];
}> {
  const figures: ManagedStatistics[] = [];
  const troubles: Trouble[] = [];
  for (const { cache, totals, trouble } of await managedFigures(context)) {
    const { name, root, maxBytes } = cache;
    if (totals === null) {
      troubles.push({ path: root, code: "unavailable", message: `the register of ${name}: ${trouble}` });
      continue;
    }
    const asks = totals.hits + totals.misses;
    figures.push({
      name,
      root,
      ...totals,
      maxBytes: maxBytes ?? null,
      usedPercent: maxBytes === undefined ? null : Math.round((totals.bytes / maxBytes) * 1000) / 10,
      hitRate: asks === 0 ? null : totals.hits / asks,
    });
  }
  return { figures, troubles };
}

/** The figures in words, one line a cache, beside the title of a table. */
export function managedFacts(
  figures: readonly ManagedStatistics[] | undefined,
): (readonly [label: string, value: string])[] {
  return (figures ?? []).map((cache) => {
    const { name, directories, bytes, maxBytes, usedPercent, pinned, hitRate, evictions, reclaimedBytes } = cache;
    const quota = maxBytes === null ? "" : ` of ${formatBytes(maxBytes)} (${usedPercent} %)`;
    const parts = [
      `${formatBytes(bytes)}${quota}`,
      count(directories, "directory", "directories"),
      ...(pinned === 0 ? [] : [`${pinned} pinned`]),
      ...(hitRate === null ? [] : [`${(hitRate * 100).toFixed(1)} % hits`]),
      ...(evictions === 0 ? [] : [`${count(evictions, "eviction")}, ${formatBytes(reclaimedBytes)} reclaimed`]),
    ];
    return [`Managed ${name}`, parts.join(", ")];
  });
}
