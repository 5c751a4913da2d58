import { chooseRoots, joinScans, type CacheKind } from "../cache.ts";
import type { Context } from "../context.ts";
import { healthyAmong } from "../roots.ts";
import type { Scan } from "../scan.ts";

/**
 * Scans caches for an operation that only looks: which, is said by {@link chooseRoots}. Roots that are not in order
 * are reported among the troubles. Throws as {@link chooseRoots} and {@link healthyAmong} do.
 */
export async function look(
  paths: readonly string[],
  context: Context,
  kinds?: readonly CacheKind["kind"][],
): Promise<Scan> {
  const scans: Scan[] = [];
  for (const { kind, roots } of await chooseRoots(paths, kinds, context)) {
    const isNamed = kind.kind === "directory" || paths.length > 0;
    const { passports, troubles } = await healthyAmong(roots, isNamed, context);
    const scan = await kind.scan(passports, context);
    scans.push({ ...scan, troubles: [...troubles, ...scan.troubles] });
  }
  return joinScans(scans);
}
