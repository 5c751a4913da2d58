import { join } from "node:path";

import type { Presence } from "../../presence.ts";
import type { Found } from "../../scan.ts";
import type { Listing } from "../../walk.ts";
import { fingerprint } from "./fingerprint.ts";

/** Entries whose media is gone: what it was called and their keys. */
export interface Lost {
  readonly names: ReadonlySet<string>;
  readonly keys: ReadonlySet<string>;
}

/** A file that has the fingerprint of a lost entry. */
export interface Home {
  readonly key: string;
  readonly directory: string;
  readonly name: string;
  readonly size: string;
  readonly mtimeNs: string;
}

/** The entries to look for, or `undefined` when none is orphaned. */
export function lostIn(found: readonly Found[]): Lost | undefined {
  const [names, keys] = [new Set<string>(), new Set<string>()];
  for (const { finding } of found) {
    if (finding.problem !== "orphaned" || finding.entry === null || finding.name === null) continue;
    names.add(finding.name);
    keys.add(finding.entry);
  }
  return names.size === 0 ? undefined : { names, keys };
}

/** The files in a directory that have the fingerprint of a lost entry. */
export async function homesIn(
  { path, names }: Listing,
  lost: Lost,
  presenceOf: (path: string) => Promise<Presence>,
): Promise<Home[]> {
  const homes: Home[] = [];
  for (const [name, type] of names) {
    if (!lost.names.has(name) || (type !== "file" && type !== "symlink")) continue;
    const presence = await presenceOf(join(path, name));
    if (presence.state !== "present" || !presence.stats.isFile()) continue;
    const { size, mtimeNs } = presence.stats;
    const key = fingerprint(name, size, mtimeNs);
    if (lost.keys.has(key)) homes.push({ key, directory: path, name, size: String(size), mtimeNs: String(mtimeNs) });
  }
  return homes;
}
