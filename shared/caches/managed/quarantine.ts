import { lstat, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { errnoOf } from "../../errors.ts";
import { LOCK_SUFFIX, PACKS_NAME, QUARANTINE_NAME } from "../../naming.ts";
import type { ManagedCache } from "./settings.ts";

/** A directory that was evicted and can still be put back. */
export interface QuarantinedDirectory {
  readonly place: string;
  /** When it was moved there, in milliseconds since 1970. */
  readonly movedAt: number;
}

/**
 * Where a managed cache keeps what was evicted: inside its root. With a register in Redis beside it, because the
 * backend of that register removes every directory below the root that it does not know.
 */
export function quarantineOf(cache: ManagedCache, realRoot: string): string {
  return ownDirectory(QUARANTINE_NAME, cache, realRoot);
}

/** Where a managed cache keeps what it packed: beside its quarantine. */
export function packsOf(cache: ManagedCache, realRoot: string): string {
  return ownDirectory(PACKS_NAME, cache, realRoot);
}

function ownDirectory(name: string, { store }: ManagedCache, realRoot: string): string {
  if (store === "embedded") return join(realRoot, name);
  return join(dirname(realRoot), `${name}-${basename(realRoot)}`);
}

/** What lies in a quarantine, the longest there first. None at all is an empty one. */
export async function quarantinedIn(quarantine: string): Promise<QuarantinedDirectory[]> {
  let names: string[];
  try {
    names = await readdir(quarantine);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
  const found: QuarantinedDirectory[] = [];
  for (const name of names) {
    if (name.endsWith(LOCK_SUFFIX)) continue;
    const place = join(quarantine, name);
    const stats = await lstat(place);
    // The rename into the quarantine is the last thing that changed its status.
    if (stats.isDirectory()) found.push({ place, movedAt: stats.ctimeMs });
  }
  return found.toSorted((a, b) => a.movedAt - b.movedAt);
}
