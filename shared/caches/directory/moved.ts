import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { errnoOf } from "../../errors.ts";
import { presenceOf } from "../../presence.ts";
import type { Found } from "../../scan.ts";
import { walk, type WalkOptions } from "../../walk.ts";
import { readDocument } from "./document.ts";
import { fingerprint } from "./fingerprint.ts";
import { CACHE_NAME } from "./names.ts";

/**
 * Looks for the media of orphaned entries in the other directories of the library: the fingerprint holds no path, so
 * a file that only moved still has it, and its probe data can move along.
 *
 * An entry whose file was found gets the rule `media_moved` and where to; if the cache there has the entry already it
 * is `superseded`. Costs one more walk, and only when something is orphaned.
 */
export async function withNewHomes(
  found: readonly Found[],
  roots: readonly string[],
  options: WalkOptions,
): Promise<readonly Found[]> {
  const wanted = new Set<string>();
  const keys = new Set<string>();
  for (const { finding } of found) {
    if (finding.problem !== "orphaned" || finding.entry === null || finding.name === null) continue;
    wanted.add(finding.name);
    keys.add(finding.entry);
  }
  if (wanted.size === 0) return found;
  const homes = new Map<string, Home>();
  // What cannot be read was reported by the first walk.
  await walk(roots, { ...options, onTrouble: () => undefined }, async ({ path, names }) => {
    for (const [name, type] of names) {
      if (!wanted.has(name) || (type !== "file" && type !== "symlink")) continue;
      const presence = await presenceOf(join(path, name), options.timeLimitSeconds);
      if (presence.state !== "present" || !presence.stats.isFile()) continue;
      const { size, mtimeNs } = presence.stats;
      const key = fingerprint(name, size, mtimeNs);
      const known = homes.get(key);
      if (!keys.has(key) || (known !== undefined && known.directory < path)) continue;
      homes.set(key, { directory: path, name, size: String(size), mtimeNs: String(mtimeNs) });
    }
  });
  return Promise.all(
    found.map(async (item) => {
      const { entry, problem } = item.finding;
      const home = problem === "orphaned" && entry !== null ? homes.get(entry) : undefined;
      return home === undefined ? item : rehomed(item, home);
    }),
  );
}

interface Home {
  readonly directory: string;
  readonly name: string;
  readonly size: string;
  readonly mtimeNs: string;
}

async function rehomed(item: Found, { directory, name, size, mtimeNs }: Home): Promise<Found> {
  const path = join(directory, name);
  const movedTo = join(directory, CACHE_NAME);
  const evidence = [...item.evidence, { path, expect: "same", size, mtimeNs } as const];
  if (item.finding.entry !== null && (await holds(movedTo, item.finding.entry))) {
    const reason = { rule: "media_moved_and_cached_there", observed: path };
    return { ...item, evidence, finding: { ...item.finding, problem: "superseded", reason } };
  }
  const reason = { rule: "media_moved", observed: path };
  return { ...item, evidence, movedTo, finding: { ...item.finding, reason } };
}

/** Whether the cache file there already has an entry under this key. A missing or damaged file has none. */
async function holds(cache: string, key: string): Promise<boolean> {
  try {
    const reading = readDocument(await readFile(cache));
    return "spans" in reading && reading.spans.members.some((member) => member.key === key);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
