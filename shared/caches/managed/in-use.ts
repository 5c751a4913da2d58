import { lstat } from "node:fs/promises";
import { join, relative } from "node:path";

import { errnoOf } from "../../errors.ts";
import { withTimeLimit } from "../../time-limit.ts";
import { formatSeconds } from "../../units.ts";
import { walk } from "../../walk.ts";
import { surplusOf } from "../directory/leftovers.ts";
import type { Measurement } from "./measure.ts";
import type { OpenFiles } from "./open-files.ts";

/** Why a directory is in use right now. */
export interface Use {
  readonly rule: "open_files" | "lock_file" | "unfinished_download" | "recent_write";
  /** Who or what, in words: a process, a file in the directory, how long ago. */
  readonly by: string;
}

/** What says that a directory is in use, and when. */
export interface UseOptions {
  readonly openFiles: OpenFiles;
  /** A directory that was written to within this time is in use. */
  readonly settleSeconds: number;
  /** In milliseconds since 1970. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly timeLimitSeconds: number;
}

/** What download programs call a file until it is whole. */
const UNFINISHED = /\.(part|partial|crdownload|!qb|!ut|aria2|ytdl|tmp)$/i;
/** A download that paused for longer was given up. */
const UNFINISHED_SECONDS = 86_400;

/**
 * Everything that says that a directory is in use right now; empty when nothing does. Several sources are asked, for
 * each of them is blind to something: {@link OpenFiles} to other users and hosts, the names to programs that use others.
 * A write dated in the future counts as recent. Only reads, except that it reads lock files.
 *
 * Throws `interrupted` when the signal is aborted. What cannot be read is no use: its measurement says that.
 */
export async function usersOf(
  realDirectory: string,
  { newestMtimeMs }: Pick<Measurement, "newestMtimeMs">,
  { openFiles, settleSeconds, now, signal, timeLimitSeconds }: UseOptions,
): Promise<readonly Use[]> {
  const uses: Use[] = [];
  const process = openFiles.userOf(realDirectory);
  if (process !== undefined) uses.push({ rule: "open_files", by: process });
  const idleSeconds = (now - newestMtimeMs) / 1000;
  if (idleSeconds < settleSeconds) {
    const by = idleSeconds < 0 ? "written in the future" : `written ${formatSeconds(idleSeconds)} ago`;
    uses.push({ rule: "recent_write", by });
  }
  await walk([realDirectory], { signal, timeLimitSeconds, onTrouble: () => undefined }, async (listing) => {
    const shown = (name: string) => relative(realDirectory, join(listing.path, name));
    const { inUseBy } = await surplusOf(listing, now, timeLimitSeconds);
    if (inUseBy !== undefined) uses.push({ rule: "lock_file", by: shown(inUseBy) });
    for (const [name, type] of listing.names) {
      if (type !== "file" || !UNFINISHED.test(name)) continue;
      const age = await ageOf(join(listing.path, name), now, timeLimitSeconds);
      if (age < UNFINISHED_SECONDS) uses.push({ rule: "unfinished_download", by: shown(name) });
    }
  });
  return uses;
}

/** Seconds since a file was written. One that went away just now was in the making. */
async function ageOf(path: string, now: number, timeLimitSeconds: number): Promise<number> {
  try {
    const { mtimeMs } = await withTimeLimit(() => lstat(path), timeLimitSeconds, path);
    return (now - mtimeMs) / 1000;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return 0;
  }
}
