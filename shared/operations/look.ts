import { scanDirectories } from "../caches/directory/scan.ts";
import type { Context } from "../context.ts";
import type { Scan } from "../scan.ts";
import { healthyRoots } from "../roots.ts";

/** Scans libraries for an operation that only looks. Throws as {@link healthyRoots} does. */
export async function look(paths: readonly string[], context: Context): Promise<Scan> {
  const { passports, troubles } = await healthyRoots(paths, context);
  const scan = await scanDirectories(passports, context);
  return { ...scan, troubles: [...troubles, ...scan.troubles] };
}
