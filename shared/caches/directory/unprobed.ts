import { join, relative } from "node:path";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { troubleFrom, type Trouble } from "../../finding.ts";
import { rootsOf, type Passport } from "../../passport.ts";
import { presenceIn } from "../../presence.ts";
import { matcher } from "../../policy.ts";
import { parseDuration } from "../../units.ts";
import { withTimeLimit } from "../../time-limit.ts";
import { walk, type Listing } from "../../walk.ts";
import type { MediaState } from "../probe/probe-cache.ts";
import { membersByKey, readEntry, type Entry } from "./entry.ts";
import { fingerprint } from "./fingerprint.ts";
import { surplusOf } from "./leftovers.ts";
import { isMediaName, isSkippedDirectory } from "./media.ts";
import { openCache } from "./open-cache.ts";

/** A media file whose cache has nothing to say about it as it is now. */
export interface UnprobedFile {
  readonly name: string;
  readonly path: string;
  readonly key: string;
  readonly state: MediaState;
}

/** A directory with media files that are to be probed. */
interface UnprobedDirectory {
  readonly path: string;
  readonly files: readonly UnprobedFile[];
}

/** Which media to look for. */
export interface Wanted {
  /** Also media whose cache is up to date. */
  readonly isRefresh: boolean;
  /** Patterns of media paths below their root; no `include` stands for all. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** What a scan would have to do. */
export interface Unprobed {
  /** In the order of their paths. */
  readonly directories: readonly UnprobedDirectory[];
  /** Media files that were looked at. */
  readonly media: number;
  readonly troubles: readonly Trouble[];
}

/**
 * Finds the media files below the roots that their directory's cache does not describe as they are now: new ones,
 * changed ones, and those whose entry holds no probe data. Only reads.
 *
 * With `isRefresh` all of them. Directories that mediabox passes over are passed over; one whose cache is damaged or
 * in use is reported and left alone.
 */
export async function findUnprobed(
  passports: readonly Passport[],
  { isRefresh, include, exclude }: Wanted,
  context: Context,
): Promise<Unprobed> {
  const [isIncluded, isExcluded] = [include.length === 0 ? () => true : matcher(include), matcher(exclude)];
  const isWanted = (path: string) => isIncluded(path) && !isExcluded(path);
  const directories: UnprobedDirectory[] = [];
  const troubles: Trouble[] = [];
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  const onTrouble = (trouble: Trouble) => troubles.push(trouble);
  const { signal, part } = context;
  const options = { signal, timeLimitSeconds, onTrouble, skip: isSkippedDirectory, part };
  let media = 0;
  let done = 0;
  await walk(rootsOf(passports), options, async (listing) => {
    done += 1;
    context.progress({ message: `looking at ${listing.path}`, done });
    const below = relative(listing.root, listing.path);
    const names = [...listing.names]
      .filter(([name, type]) => isFile(type) && isMediaName(name) && isWanted(join(below, name)))
      .map(([name]) => name);
    if (names.length === 0) return;
    try {
      const found = await unprobedIn(
        listing,
        names.toSorted(),
        { isRefresh, timeLimitSeconds, onTrouble },
        context.now(),
      );
      media += found.media;
      if (found.files.length > 0) directories.push({ path: listing.path, files: found.files });
    } catch (error) {
      onTrouble(troubleFrom(listing.path, error));
    }
  });
  return { directories: directories.toSorted((a, b) => (a.path < b.path ? -1 : 1)), media, troubles };
}

function isFile(type: string): boolean {
  return type === "file" || type === "symlink";
}

interface Looking {
  readonly isRefresh: boolean;
  readonly timeLimitSeconds: number;
  readonly onTrouble: (trouble: Trouble) => void;
}

async function unprobedIn(
  listing: Listing,
  names: readonly string[],
  { isRefresh, timeLimitSeconds, onTrouble }: Looking,
  now: number,
): Promise<{ readonly files: readonly UnprobedFile[]; readonly media: number }> {
  const { inUseBy } = await surplusOf(listing, now, timeLimitSeconds);
  if (inUseBy !== undefined) throw new CacheOpsError("locked", `in use (${inUseBy})`, { hint: "Scan it again later." });
  const opening = () => openCache(join(listing.path, names[0] ?? ""));
  const { bytes, spans } = await withTimeLimit(opening, timeLimitSeconds, listing.path);
  const members = bytes && spans ? membersByKey(spans) : new Map<string, never>();
  const lookAt = presenceIn(listing, timeLimitSeconds);
  const files: UnprobedFile[] = [];
  let media = 0;
  for (const name of names) {
    const path = join(listing.path, name);
    const presence = await lookAt(path);
    if (presence.state === "unknown") {
      onTrouble({ path, code: presence.errno, message: "cannot look at this file; it was not probed" });
    }
    if (presence.state !== "present" || !presence.stats.isFile()) continue;
    media += 1;
    const { size, mtimeNs } = presence.stats;
    const key = fingerprint(name, size, mtimeNs);
    const member = members.get(key)?.last;
    const entry = bytes && member ? readEntry(bytes, member) : undefined;
    if (!isRefresh && entry !== undefined && typeof entry !== "string" && hasProbeData(bytes, entry)) continue;
    files.push({ name, path, key, state: { size, mtimeNs } });
  }
  return { files, media };
}

/** Whether an entry says anything about the streams. One that was only noted (by `record`) says none has a codec. */
function hasProbeData(bytes: Buffer | undefined, { fields }: Entry): boolean {
  const isSet = (name: string) => {
    const value = fields.members.findLast(({ key }) => key === name)?.value;
    return value !== undefined && bytes?.toString("latin1", value.start, value.end) !== "null";
  };
  return isSet("codec_video") || isSet("codec_audio");
}
