import { realpathSync } from "node:fs";

import type { Trouble } from "../../finding.ts";
import type { Presence } from "../../presence.ts";
import type { Found, SeenCache } from "../../scan.ts";
import { listNow, placesBelow, type Listing, type Place } from "../../walk.ts";
import { homesIn, type Home, type Lost } from "./homes.ts";
import { NOTE_LENGTH, noteDown, statsNow } from "./remembered.ts";
import type { ListingScan, ScanLimits } from "./scan-listing.ts";
import { scanNow } from "./scan-now.ts";

/** What is done in each directory: judge its cache, or look for media that moved there. */
export type Task =
  | { readonly does: "judge"; readonly limits: ScanLimits }
  | { readonly does: "find"; readonly lost: Lost };

/** What was found in some directories, and the ones right below them. */
export interface LookResult {
  readonly below: Place[];
  readonly caches: SeenCache[];
  readonly found: Found[];
  readonly homes: Home[];
  readonly troubles: Trouble[];
  /** By names only: a note of each directory in the order they were given, zeros where something was found. */
  readonly notes: Float64Array;
}

/** What is asked of the file system, and who hears of it. */
interface LookCalls {
  /** One look at a media file. Of a link, the answer may take a while. */
  readonly lookNow: (path: string) => Presence | Promise<Presence>;
  /** Hears of each directory before it is looked into. */
  readonly onPlace?: () => void;
}

/** Looks into some directories by synchronous calls; `now` is in milliseconds since 1970. */
export async function lookInto(
  places: readonly Place[],
  task: Task,
  now: number,
  { lookNow, onPlace }: LookCalls,
): Promise<LookResult> {
  const notes = new Float64Array(places.length * NOTE_LENGTH);
  const result: LookResult = { below: [], caches: [], found: [], homes: [], troubles: [], notes };
  const realPaths = new Map<string, string>();
  const realPathOf = (root: string) => {
    const real = realPaths.get(root) ?? realpathSync.native(root);
    realPaths.set(root, real);
    return real;
  };
  const { below, caches, found, homes, troubles } = result;
  for (const [index, place] of places.entries()) {
    onPlace?.();
    const times = task.does === "judge" && task.limits.compare === "names" ? statsNow(place.path) : undefined;
    const troublesBefore = troubles.length;
    const listing = listNow(place, (trouble) => troubles.push(trouble));
    if (listing === undefined) continue;
    for (const next of placesBelow(listing)) below.push(next);
    if (task.does === "find") {
      for (const home of await homesIn(listing, task.lost, async (path) => lookNow(path))) homes.push(home);
      continue;
    }
    const scan =
      (await scanNow(listing, task.limits, { lookNow, realPathOf })) ?? (await ask(listing, task.limits, now));
    if (scan.seen) caches.push(scan.seen);
    if (scan.trouble) troubles.push(scan.trouble);
    for (const item of scan.found) found.push(item);
    if (scan.inOrder === undefined) continue;
    const isWhole = times !== undefined && troubles.length === troublesBefore;
    noteDown(notes, index, isWhole ? times : undefined, scan.inOrder, now);
  }
  return result;
}

/** Loaded when it is needed: most libraries have nothing out of the ordinary. */
async function ask(listing: Listing, limits: ScanLimits, now: number): Promise<ListingScan> {
  const { scanListing } = await import("./scan-listing.ts");
  return scanListing(listing, limits, now);
}
