import { lstatSync, readdirSync } from "node:fs";

import { bytesOf, count, figuresOf, latin1, noteFailure, startTally, type TreeFigures } from "./measure.ts";

/**
 * What `measureTree` finds, found by synchronous calls: only for a thread that somebody watches, for which `alive` is
 * called before each of them. Throws as that does.
 */
export function measureNow(path: string, alive: () => void): TreeFigures {
  const root = lstatSync(path, { bigint: true });
  const tally = startTally(path, root);
  const pending = [latin1(path)];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    alive();
    let names: readonly string[];
    try {
      names = readdirSync(systemPath(directory), "latin1");
    } catch (error) {
      noteFailure(tally, directory, error);
      continue;
    }
    for (const name of names) {
      alive();
      const way = `${directory}/${name}`;
      try {
        const stats = lstatSync(systemPath(way), { bigint: true });
        if (count(name, stats, root.dev, tally)) pending.push(way);
      } catch (error) {
        noteFailure(tally, way, error);
      }
    }
  }
  return figuresOf(tally);
}

/** Whether a path is the same in every encoding: no other character has a code below 128. */
const IS_ASCII = /^[\p{ASCII}]*$/u;

/** A path whose bytes are kept as latin1, as the system takes it. */
function systemPath(way: string): string | Buffer {
  return IS_ASCII.test(way) ? way : bytesOf(way);
}
