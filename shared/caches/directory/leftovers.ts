import { readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

import { Type } from "typebox";

import { errnoOf } from "../../errors.ts";
import type { FileCalls } from "../../file-calls.ts";
import { isRunning } from "../../owner.ts";
import { matches } from "../../validate.ts";
import { withTimeLimit } from "../../time-limit.ts";
import type { Listing } from "../../walk.ts";
import { CACHE_NAME, surplusRule, type SurplusRule } from "./names.ts";

/** What lies around in a directory besides media and cache. */
export interface Surplus {
  /** Abandoned files and locks, with the rule that says so. */
  readonly leftovers: readonly Leftover[];
  /** What says that somebody works in this directory right now, if anything does. */
  readonly inUseBy: string | undefined;
}

/** An abandoned temp file or lock. */
interface Leftover {
  readonly name: string;
  readonly rule: SurplusRule;
  readonly ageSeconds: number;
}

/** A lock of mediabox younger than this is taken as live, even when its process cannot be found. */
const MEDIABOX_LOCK_SECONDS = 6 * 3600;
/** A temp file younger than this may still be in the making. */
const TEMP_SECONDS = 3600;
/** For this long, mediabox may be between removing a cache and renaming its temp file. */
const MEDIABOX_RENAME_SECONDS = 60;
/** Our locks are touched every few seconds while they are held. */
const OUR_LOCK_SECONDS = 60;
const MAX_LOCK_BYTES = 64 * 1024;

const MediaboxLock = Type.Object({
  hostname: Type.String(),
  pid: Type.Integer(),
  timestamp: Type.Number(),
});

/**
 * Sorts the temp files and locks of a directory into abandoned and in use. Only reads.
 *
 * A `.lock` file counts only when it holds what mediabox writes, so that foreign locks (`Cargo.lock`) are never
 * touched; an empty one beside a media file of its name is one being made. What is not to be seen within
 * `timeLimitSeconds` may be in use.
 */
export async function surplusOf({ path, names }: Listing, now: number, timeLimitSeconds: number): Promise<Surplus> {
  const leftovers: Leftover[] = [];
  let inUseBy: string | undefined;
  for (const [name, type] of names) {
    const rule = surplusRule(name, type);
    if (rule === undefined) continue;
    const hasMedia = names.has(name.slice(0, -".lock".length));
    const state = await stateOf(join(path, name), rule, { hasMedia, now, timeLimitSeconds });
    if (state === undefined) continue;
    // Without a cache beside it, mediabox's temp file is the cache: old or not, it is never surplus.
    if (rule === "mediabox_temp" && !names.has(CACHE_NAME)) {
      if (state.ageSeconds < MEDIABOX_RENAME_SECONDS) inUseBy ??= name;
    } else if (state.abandoned) leftovers.push({ name, rule, ageSeconds: state.ageSeconds });
    else if (rule === "mediabox_lock" || rule === "mediabox_temp") inUseBy ??= name;
  }
  return { leftovers, inUseBy };
}

/** The name of what works in a directory right now, looked up afresh; `undefined` when nothing does. */
export async function inUseIn(
  directory: string,
  now: number,
  timeLimitSeconds: number,
  calls: FileCalls,
): Promise<string | undefined> {
  const entries = await calls.list(directory);
  const names = new Map(entries.map((entry) => [entry.name, entry.isFile() ? "file" : "other"] as const));
  return (await surplusOf({ root: directory, path: directory, names }, now, timeLimitSeconds)).inUseBy;
}

type LockState = { readonly abandoned: boolean; readonly ageSeconds: number } | undefined;

interface StateOptions {
  /** For a lock: whether the media is there that it is called after. */
  readonly hasMedia: boolean;
  readonly now: number;
  readonly timeLimitSeconds: number;
}

async function stateOf(
  path: string,
  rule: SurplusRule,
  { hasMedia, now, timeLimitSeconds }: StateOptions,
): Promise<LockState> {
  try {
    const { size, mtimeMs } = await withTimeLimit(() => stat(path), timeLimitSeconds, path);
    const ageSeconds = (now - mtimeMs) / 1000;
    if (rule === "our_lock") return { abandoned: ageSeconds > OUR_LOCK_SECONDS, ageSeconds };
    if (rule !== "mediabox_lock") return { abandoned: ageSeconds > TEMP_SECONDS, ageSeconds };
    if (size === 0) return hasMedia ? { abandoned: false, ageSeconds } : undefined;
    if (size > MAX_LOCK_BYTES) return undefined;
    return mediaboxLock(await withTimeLimit(() => readFile(path, "utf8"), timeLimitSeconds, path), ageSeconds, now);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    // Gone since the directory was read: whoever made it is at work here. So he may be where nobody can see it in time.
    return errno === "ENOENT" || errno === "ETIMEDOUT" ? { abandoned: false, ageSeconds: 0 } : undefined;
  }
}

function mediaboxLock(text: string, fileAgeSeconds: number, now: number): LockState {
  let lock: unknown;
  try {
    lock = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!matches(MediaboxLock, lock)) return undefined;
  const statedAge = now / 1000 - lock.timestamp;
  // A time stamp from the future says nothing; the file's own age does.
  const ageSeconds = statedAge < -60 ? fileAgeSeconds : statedAge;
  const running = lock.hostname === hostname() && lock.pid > 0 && isRunning(lock.pid);
  return { abandoned: !running && ageSeconds > MEDIABOX_LOCK_SECONDS, ageSeconds };
}
