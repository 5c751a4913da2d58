import { parentPort, workerData } from "node:worker_threads";

import type { Place } from "./walk.ts";
import { watchTree } from "./watch-tree.ts";

/* A thread that watches the directories below some roots by synchronous calls. It may hang on a share, and nobody waits. */

/** What a thread is asked: to watch what lies below these roots, from now on and nothing else, or whether it is there. */
export type WatchOrder = { readonly does: "watch"; readonly places: readonly Place[] } | { readonly does: "answer" };

/** What a thread tells. */
export type WatchReport =
  | ({ readonly tells: "watching" } & Watched)
  | ({ readonly tells: "changed" } & ChangedDirectories)
  | { readonly tells: "here" };

/** How far directories can be watched. */
export interface Watched {
  /** Directories there are, and how many of them cannot be watched. */
  readonly directories: number;
  readonly unwatched: number;
  /** Name of the system's error that stood against the last of these. */
  readonly errno: string | undefined;
}

/** Directories in which something changed, by their absolute paths. */
export interface ChangedDirectories extends Watched {
  /** To be looked at again. */
  readonly changed: readonly string[];
  /** These are not there any more, those that lay below them among them. */
  readonly gone: readonly string[];
  /** So much happened at once that the system may not have told of all of it. */
  readonly isOverflow: boolean;
}

/** What a thread is started with. */
export interface WatchThreadData {
  /** One number in shared memory that changes as long as the thread gets on. */
  readonly pulse: Int32Array;
  /** How many events the system keeps for us while we are busy. */
  readonly queueLimit: number;
}

const { pulse, queueLimit } = workerData as WatchThreadData;

const tell = (report: WatchReport) => parentPort?.postMessage(report);
const tree = watchTree({
  queueLimit,
  alive: () => {
    pulse[0] = (pulse[0] ?? 0) + 1;
  },
  onChange: (changes) => tell({ tells: "changed", ...changes }),
});

parentPort?.on("message", (order: WatchOrder) => {
  if (order.does === "watch") tell({ tells: "watching", ...tree.begin(order.places) });
  else tell({ tells: "here" });
});
