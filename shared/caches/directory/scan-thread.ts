import { parentPort, workerData } from "node:worker_threads";

import type { Trouble } from "../../finding.ts";
import { presenceNow, type Presence } from "../../presence.ts";
import type { Found, SeenCache } from "../../scan.ts";
import { listNow, placesBelow, type Listing, type Place } from "../../walk.ts";
import { homesIn, type Home, type Lost } from "./homes.ts";
import type { ScanLimits } from "./scan-listing.ts";
import { scanNow } from "./scan-now.ts";

/* A thread that looks at directories by synchronous calls. It may hang on a share: `threads.ts` watches it. */

/** What a thread does in each directory: judge its cache, or look for media that moved there. */
export type Task =
  | { readonly does: "judge"; readonly limits: ScanLimits }
  | { readonly does: "find"; readonly lost: Lost };

/** What a thread is started with. */
export interface ThreadData {
  readonly task: Task;
  /** One number in shared memory that changes as long as the thread gets on. */
  readonly pulse: Int32Array;
}

/** Some directories to look at, `now` being the time in milliseconds since 1970. */
export interface Batch {
  readonly places: readonly Place[];
  readonly now: number;
}

/** What was found in the directories of a batch, and the ones right below them. */
export interface BatchResult {
  readonly below: Place[];
  readonly caches: SeenCache[];
  readonly found: Found[];
  readonly homes: Home[];
  readonly troubles: Trouble[];
}

const { task, pulse } = workerData as ThreadData;

function alive(): void {
  pulse[0] = (pulse[0] ?? 0) + 1;
}

function lookNow(path: string): Presence {
  alive();
  return presenceNow(path);
}

async function work({ places, now }: Batch): Promise<void> {
  const result: BatchResult = { below: [], caches: [], found: [], homes: [], troubles: [] };
  for (const place of places) {
    alive();
    const listing = listNow(place, (trouble) => result.troubles.push(trouble));
    if (listing === undefined) continue;
    for (const below of placesBelow(listing)) result.below.push(below);
    if (task.does === "judge") await judgeIn(listing, task.limits, now, result);
    else result.homes.push(...(await homesIn(listing, task.lost, async (path) => lookNow(path))));
  }
  parentPort?.postMessage(result);
}

async function judgeIn(listing: Listing, limits: ScanLimits, now: number, result: BatchResult): Promise<void> {
  const { seen, found, trouble } = (await scanNow(listing, limits, lookNow)) ?? (await ask(listing, limits, now));
  if (seen) result.caches.push(seen);
  if (trouble) result.troubles.push(trouble);
  for (const item of found) result.found.push(item);
}

/** Loaded when it is needed: most libraries have nothing out of the ordinary. */
async function ask(listing: Listing, limits: ScanLimits, now: number) {
  const { scanListing } = await import("./scan-listing.ts");
  return scanListing(listing, limits, now);
}

let earlier: Promise<void> = Promise.resolve();
parentPort?.on("message", (batch: Batch) => {
  earlier = earlier.then(() => work(batch));
});
