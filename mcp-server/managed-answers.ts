import { CacheOpsError, type ManagedFigures } from "@cache-ops/shared";

/** The figures of every managed cache. */
export type Figures = readonly ManagedFigures[];

/**
 * The statistics of one managed cache (`undefined`, `null`: of all together), in the words of the documented routes and
 * with what they lack. Throws `not_found` for a name that is not configured, `unavailable` when a register cannot be
 * reached: zeros would be a lie.
 */
export function bodyOfStats(figures: Figures, name: string | null) {
  const chosen = figures.filter(({ cache }) => name === null || cache.name === name);
  if (name !== null && chosen.length === 0) {
    throw new CacheOpsError("not_found", "there is no managed cache of this name", {
      hint: `Managed caches: ${figures.map(({ cache }) => cache.name).join(", ") || "none"}.`,
    });
  }
  const totals = chosen.map(({ totals, trouble }) => {
    if (totals !== null) return totals;
    throw new CacheOpsError("unavailable", trouble ?? "a register cannot be reached", { hint: "doctor says more." });
  });
  const sum = (key: keyof (typeof totals)[number]) => totals.reduce((all, figures) => all + figures[key], 0);
  const quotas = chosen.map(({ cache }) => cache.maxBytes);
  const quota = quotas.every((bytes) => bytes !== undefined) ? quotas.reduce((all, bytes) => all + bytes, 0) : null;
  const bytes = sum("bytes");
  return {
    enabled: chosen.length > 0,
    total_bytes: bytes,
    total_directories: sum("directories"),
    max_bytes: chosen.length === 0 ? null : quota,
    usage_percent: quota === null || quota === 0 ? null : Math.round((bytes / quota) * 10_000) / 100,
    quota_exceeded: chosen.some(({ cache, totals }) => totals !== null && totals.bytes > (cache.maxBytes ?? Infinity)),
    pinned: sum("pinned"),
    hits: sum("hits"),
    misses: sum("misses"),
    evictions: sum("evictions"),
    reclaimed_bytes: sum("reclaimedBytes"),
  };
}

/** A registered directory as operations return it. */
export interface Registered {
  readonly path: string;
  readonly bytes: number;
  readonly accessedAt: string;
  readonly expiresAt: string | null;
  readonly isPinned: boolean;
}

/**
 * A directory in the words of the documented routes. `onDisk` is what was measured just now; `undefined`: nobody looked,
 * so the size is that of the register and whether it exists is `null`.
 */
export function bodyOfDirectory(
  { path, bytes, accessedAt, expiresAt, isPinned }: Registered,
  onDisk: { readonly bytes: number } | undefined,
  now: number,
) {
  const left = expiresAt === null ? null : Math.ceil((Date.parse(expiresAt) - now) / 1000);
  return {
    path,
    // As the backend has it: null also for one that is past its time and still there.
    ttl_seconds: left !== null && left > 0 ? left : null,
    last_access: accessedAt,
    size_bytes: onDisk?.bytes ?? bytes,
    exists: onDisk === undefined ? null : true,
    expires_at: expiresAt,
    pinned: isPinned,
  };
}
