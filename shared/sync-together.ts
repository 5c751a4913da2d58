import fs from "node:fs";
import { setImmediate } from "node:timers";
import { promisify } from "node:util";

const fsync = promisify(fs.fsync);

interface Sync {
  readonly descriptor: number;
  readonly asked: ((outcome: Promise<void>) => void)[];
}

let waiting = new Map<unknown, Sync>();

/**
 * Makes what was done to an open file or directory durable; rejects with the system's error.
 *
 * Who asks in the same turn goes together: the calls overlap, and all of them are over before anyone goes on. A change
 * to a journaled file system made while it writes its journal waits for that; made after it, it does not, and the next
 * sync writes it down together with those of the others. Who gives the same `place` shares one call.
 */
export function syncTogether(descriptor: number, place: unknown = Symbol("this one")): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.size === 0) setImmediate(() => void syncWaiting());
    const sync = waiting.get(place) ?? { descriptor, asked: [] };
    waiting.set(place, sync);
    sync.asked.push(resolve);
  });
}

async function syncWaiting(): Promise<void> {
  const syncs = [...waiting.values()].map((sync) => ({ ...sync, outcome: fsync(sync.descriptor) }));
  waiting = new Map();
  await Promise.allSettled(syncs.map(({ outcome }) => outcome));
  for (const { asked, outcome } of syncs) for (const resolve of asked) resolve(outcome);
}
