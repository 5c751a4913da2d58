import { statfs } from "node:fs/promises";

import type { Context } from "../../context.ts";
import { matcher } from "../../policy.ts";
import { parseDuration } from "../../units.ts";
import type { ManagedStore } from "./managed-store.ts";
import { needOf } from "./scan.ts";
import type { ManagedCache } from "./settings.ts";
import { chooseVictims, type EvictionReason } from "./victims.ts";

/** When it is a directory's turn to go. */
export interface Prospect {
  /** Its place among those that may go, from 1; `null`: it is pinned, kept by a pattern, or empty. */
  readonly rank: number | null;
  /** How many may go. */
  readonly of: number;
  /** Why it goes when it is its turn; `null` with no rank. */
  readonly reason: EvictionReason | null;
  /** Whether an eviction that was planned now would come to it. */
  readonly isDue: boolean;
}

/**
 * Where a registered directory stands in the order in which directories go: the very order that evictions take. What
 * is in use is not looked at: it would be passed over.
 */
export async function prospectOf(
  path: string,
  cache: ManagedCache,
  realRoot: string,
  store: ManagedStore,
  context: Context,
): Promise<Prospect> {
  const candidates = await store.candidates();
  const isKept = matcher(cache.keep);
  const { indices, reasons } = chooseVictims(candidates, {
    policy: cache.policy,
    neededBytes: Infinity,
    now: context.now(),
    maxAgeMs: cache.maxAge === undefined ? undefined : parseDuration(cache.maxAge) * 1000,
    refillBytesPerSecond: cache.refillBytesPerSecond,
    isExempt: (index) => cache.keep.length > 0 && isKept(candidates.pathOf(index)),
  });
  const place = indices.findIndex((index) => candidates.pathOf(index) === path);
  if (place < 0) return { rank: null, of: indices.length, reason: null, isDue: false };
  const { bavail, bsize } = await statfs(realRoot);
  const { quotaBytes, diskBytes } = needOf({ cache, totals: await store.totals(), freeBytes: bavail * bsize });
  const reason = reasons[place] ?? "over_quota";
  const before = indices.subarray(0, place).reduce((sum, index) => sum + (candidates.bytes[index] ?? 0), 0);
  const isDue = reason !== "over_quota" || before < Math.max(quotaBytes, diskBytes);
  return { rank: place + 1, of: indices.length, reason, isDue };
}
