import { dirname, join, posix } from "node:path";

import type { Context } from "../../../context.ts";
import { parseDuration } from "../../../units.ts";
import { walk } from "../../../walk.ts";
import { probeKey, scanKey } from "./python-path.ts";

/** Item types that media-audit and its tests have used in the keys of directories. */
const ITEM_TYPES = ["movie", "tv", "series", "season", "episode"];

/** Whether a file of `scan/` can be about this directory: its key holds a word of the caller's choice. */
function isScanKey(key: string, path: string): boolean {
  return ITEM_TYPES.some((type) => scanKey(type, path) === key);
}

/** Finds out which absolute path an entry with a relative one is about. */
export interface Ties {
  /** The absolute path whose key this is, or `undefined`. */
  find(kind: "probe" | "scan", key: string, relativePath: string): Promise<string | undefined>;
}

/**
 * An entry made with relative roots says where its media was seen from a directory nobody knows any more, but its key
 * is of the absolute path. That is looked for among the directories on the way to the libraries, for media that is
 * there or not, and among all that lies in the libraries, which is read once, and only when it is needed.
 */
export function makeTies(roots: readonly string[], context: Context): Ties {
  const starts = new Set(roots.flatMap(waysTo));
  let listed: Promise<ReadonlyMap<string, string>> | undefined;
  return {
    async find(kind, key, relativePath) {
      for (const start of starts) {
        const path = absoluteFrom(start, relativePath);
        if (kind === "probe" ? probeKey(path) === key : isScanKey(key, path)) return path;
      }
      listed ??= listKeys(roots, context);
      return (await listed).get(key);
    },
  };
}

function waysTo(root: string): string[] {
  const ways = [root];
  for (let at = root; dirname(at) !== at; at = dirname(at)) ways.push(dirname(at));
  return ways;
}

/** As pathlib joins: `.` goes, `..` stays. */
function absoluteFrom(start: string, path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return [start === posix.sep ? "" : start, ...parts].join("/") || "/";
}

async function listKeys(roots: readonly string[], context: Context): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>();
  const options = {
    signal: context.signal,
    timeLimitSeconds: parseDuration(context.configuration.timeLimit),
    // What cannot be read ties nothing: its entries stay as they are.
    onTrouble: () => undefined,
  };
  await walk(roots, options, async ({ path, names }) => {
    for (const type of ITEM_TYPES) keys.set(scanKey(type, path), path);
    for (const [name, type] of names) {
      if (type !== "directory") keys.set(probeKey(join(path, name)), join(path, name));
    }
  });
  return keys;
}
