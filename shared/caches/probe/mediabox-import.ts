import { dirname, join } from "node:path";

import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { readSeenFile, type SeenFile } from "../../file.ts";
import type { Trouble } from "../../finding.ts";
import type { Passport } from "../../passport.ts";
import { presenceOf } from "../../presence.ts";
import type { SeenCache } from "../../scan.ts";
import { throwIfAborted, withTimeLimit } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import { readDocument } from "../directory/document.ts";
import { membersByKey, readEntry, type Entry } from "../directory/entry.ts";
import { fingerprint } from "../directory/fingerprint.ts";
import { readNotedProbe } from "../directory/noted-probe.ts";
import { scanDirectories } from "../directory/scan.ts";
import type { ProbeCache } from "./probe-cache.ts";
import { makeTally, type Imported, type ImportOutcome } from "./tally.ts";

/**
 * Brings what mediabox's caches note into the central cache, without probing: entries in order whose fingerprint is
 * that of their media as it is now, with the age they have. All of it is partial. Only writes the central cache.
 *
 * Entries that are not in order are counted by the rule of their finding, the others that cannot be used by that of
 * {@link readNotedProbe}; a cache file that cannot be judged as a whole counts once. Throws `interrupted` when the
 * signal is aborted.
 */
export async function importMediabox(
  passports: readonly Passport[],
  cache: ProbeCache,
  context: Context,
): Promise<Imported> {
  const tally = makeTally("mediabox");
  const { caches, found, troubles } = await scanDirectories(passports, context);
  const errors: Trouble[] = [...troubles];
  // A leftover beside a cache says nothing about it.
  const findings = found.flatMap(({ finding, path }) => (path === undefined ? [finding] : []));
  for (const { reason } of findings) tally.count(reason);
  const doubtful = new Set(findings.map(({ cache: file, entry }) => JSON.stringify([file, entry])));
  for (const [done, seen] of caches.entries()) {
    throwIfAborted(context.signal);
    context.progress({ message: `importing ${seen.cache}`, done, total: caches.length });
    if (doubtful.has(JSON.stringify([seen.cache, null]))) continue;
    const bytes = await readAgain(seen, errors, context);
    const reading = bytes && readDocument(bytes);
    if (bytes === undefined || reading === undefined || "damage" in reading) continue;
    for (const [key, { last }] of membersByKey(reading.spans)) {
      throwIfAborted(context.signal);
      const entry = readEntry(bytes, last);
      if (typeof entry === "string" || doubtful.has(JSON.stringify([seen.cache, key]))) continue;
      tally.count(await takeOne(dirname(seen.cache), bytes, entry, cache, context));
    }
  }
  const entries = caches.reduce((sum, seen) => sum + seen.entries, 0);
  return tally.result(entries, errors);
}

/** The bytes that were judged; a file that is another one by now is a trouble. */
async function readAgain(
  { cache, file, content }: SeenCache,
  errors: Trouble[],
  { configuration }: Context,
): Promise<Buffer | undefined> {
  let read: SeenFile;
  try {
    read = await withTimeLimit(() => readSeenFile(file), parseDuration(configuration.timeLimit), cache);
  } catch (error) {
    const code = error instanceof CacheOpsError ? error.code : errnoOf(error);
    if (code === undefined) throw error;
    errors.push({ path: cache, code, message: "cannot read this cache file; nothing was imported from it" });
    return undefined;
  }
  if (read.content.sha256 === content.sha256) return read.bytes;
  const message = "was written while it was read; nothing was imported from it: import again";
  errors.push({ path: cache, code: "changing", message });
  return undefined;
}

async function takeOne(
  directory: string,
  bytes: Buffer,
  entry: Entry,
  cache: ProbeCache,
  { configuration, now }: Context,
): Promise<ImportOutcome> {
  const [name = ""] = entry.names;
  const path = join(directory, name);
  const presence = await presenceOf(path, parseDuration(configuration.timeLimit));
  const isSame =
    presence.state === "present" && fingerprint(name, presence.stats.size, presence.stats.mtimeNs) === entry.key;
  if (!isSame) return { rule: "changed_meanwhile" };
  const noted = readNotedProbe(bytes, entry);
  if ("rule" in noted) return noted;
  const at = Math.min(Math.max(0, noted.at), now());
  const known = await cache.peek(path, presence.stats);
  if (known?.result.state === "partial" && known.at >= at) return "alreadyThere";
  const isStored = await cache.set(path, presence.stats, noted.result, { origin: "mediabox", at });
  return isStored ? "imported" : "alreadyThere";
}
