import { posix, win32 } from "node:path";
import { platform } from "node:process";

import type { Context } from "../../../context.ts";
import type { Evidence } from "../../../evidence.ts";
import type { Problem, Reason } from "../../../finding.ts";
import { isConfined } from "../../../library.ts";
import { presenceOf, type Presence } from "../../../presence.ts";
import { parseDuration } from "../../../units.ts";
import { pythonMtime } from "../../directory/fingerprint.ts";
import { doubtAbsence, type Witness } from "./absence.ts";
import type { EntryReading, MediaAuditEntry } from "./entry.ts";
import { isAbsolutePath, probeKey } from "./python-path.ts";
import { newestIn } from "./subtree.ts";
import type { Ties } from "./ties.ts";

/** What was found out about one file of the cache. */
interface Judgement {
  readonly problem: Problem;
  readonly reason: Reason;
  /** What has to hold still when the file is removed. */
  readonly evidence: readonly Evidence[];
}

/** The file of the cache that is judged. */
export interface CacheFile {
  readonly type: "probe" | "scan";
  /** Its name without the ending. */
  readonly stem: string;
}

/** The surroundings a file is judged in. */
export interface Surroundings {
  /** The schema version of the program that ran last and its file, unless that cannot be told. */
  readonly schema: { readonly version: string; readonly evidence: Evidence } | undefined;
  readonly witnesses: readonly Witness[];
  readonly ties: Ties;
  /** Entries in order that were made before this moment (ms since 1970) are `expired`. */
  readonly expiredBefore: number | undefined;
  readonly context: Context;
}

/** What judging yields: the media the entry is about, as far as that can be told, and what is wrong, if anything. */
export interface Judged {
  /** Absolute path of the media, and the file as it is, when the entry describes it as it is. */
  readonly media: string | undefined;
  readonly presence: Presence | undefined;
  readonly judgement: Judgement | undefined;
}

/**
 * Judges one file of media-audit's cache. Only reads. The age of an entry is what it says itself, never the time of
 * its file, as hits do not touch that.
 *
 * 1. Torn or unusable to the program: `corrupt`. No plain data: `unreachable`, so it is kept.
 * 2. Of another schema: `superseded`, as no program that runs here reads it any more.
 * 3. Not under the name its path asks for, or about a path that cannot be told: `unreachable`.
 * 4. The media is there as the entry says: in order, or `expired`. It differs: `changed`.
 * 5. The media is gone, and the file system confirms it under a place in order: `orphaned`; else `unreachable`.
 */
export async function judge(file: CacheFile, reading: EntryReading, around: Surroundings): Promise<Judged> {
  const unknown = (problem: Problem, reason: Reason, evidence: readonly Evidence[] = []): Judged => ({
    media: undefined,
    presence: undefined,
    judgement: { problem, reason, evidence },
  });
  if ("corrupt" in reading) return unknown("corrupt", reading.corrupt);
  if ("refused" in reading) return unknown("unreachable", reading.refused);
  const { entry } = reading;
  if (entry.key !== file.stem) return unknown("unreachable", { rule: "name_is_not_the_key", observed: entry.key });
  const { schema } = around;
  if (schema !== undefined && entry.schemaVersion !== undefined && entry.schemaVersion !== schema.version) {
    const reason = { rule: "other_schema", observed: entry.schemaVersion, threshold: schema.version };
    return { ...unknown("superseded", reason, [schema.evidence]), media: absoluteOf(entry) };
  }
  const path = await pathOf(file, entry, around.ties);
  if (typeof path !== "string") return unknown("unreachable", path);
  if (around.context.bounds?.confined === true && !(await isConfined([path], around.context))) {
    return unknown("unreachable", { rule: "outside_the_libraries", observed: null });
  }
  const presence = await presenceOf(path, parseDuration(around.context.configuration.timeLimit));
  return { media: path, presence, judgement: await judgeMedia(file, entry, path, presence, around) };
}

/** The last component of the path an entry records. */
export function nameOf({ filePath, style }: MediaAuditEntry): string {
  return (style === "posix" ? posix : win32).basename(filePath);
}

function absoluteOf({ filePath, style }: MediaAuditEntry): string | undefined {
  return isAbsolutePath(style, filePath) ? filePath : undefined;
}

async function pathOf(file: CacheFile, entry: MediaAuditEntry, ties: Ties): Promise<string | Reason> {
  const { filePath, style } = entry;
  if ((style === "windows") !== (platform === "win32")) return { rule: "path_of_another_system", observed: filePath };
  if (!filePath.isWellFormed()) return { rule: "name_not_utf8", observed: null };
  if (!isAbsolutePath(style, filePath)) {
    const tied = await ties.find(file.type, file.stem, filePath);
    return tied ?? { rule: "relative_path", observed: filePath };
  }
  const fits = file.type === "scan" || probeKey(filePath) === file.stem;
  return fits ? filePath : { rule: "name_is_not_the_key", observed: probeKey(filePath) };
}

async function judgeMedia(
  file: CacheFile,
  entry: MediaAuditEntry,
  path: string,
  presence: Presence,
  around: Surroundings,
): Promise<Judgement | undefined> {
  const unreachable = (rule: string, observed: Reason["observed"]): Judgement => ({
    problem: "unreachable",
    reason: { rule, observed },
    evidence: [],
  });
  const limit = parseDuration(around.context.configuration.timeLimit);
  if (presence.state === "unknown") return unreachable("media_unreadable", presence.errno);
  if (presence.state === "gone") {
    const doubt = await doubtAbsence(path, around.witnesses, limit);
    if (doubt !== undefined) return { problem: "unreachable", reason: doubt, evidence: [] };
    return {
      problem: "orphaned",
      reason: { rule: "media_gone", observed: path },
      evidence: [{ path, expect: "gone" }],
    };
  }
  if (file.type === "scan") {
    if (!presence.stats.isDirectory()) return unreachable("not_a_directory", path);
    return (await judgeTree(entry, path, limit, around)) ?? judgeAge(entry, around);
  }
  if (!presence.stats.isFile()) return unreachable("not_a_regular_file", path);
  const { size, mtimeNs } = presence.stats;
  const mtime = pythonMtime(mtimeNs);
  const evidence = [{ path, expect: "same", size: String(size), mtimeNs: String(mtimeNs) } as const];
  if (Number(size) !== entry.fileSize) {
    return {
      problem: "changed",
      reason: { rule: "size_differs", observed: Number(size), threshold: entry.fileSize },
      evidence,
    };
  }
  if (mtime !== entry.fileMtime) {
    return {
      problem: "changed",
      reason: { rule: "mtime_differs", observed: mtime, threshold: entry.fileMtime },
      evidence,
    };
  }
  return judgeAge(entry, around);
}

async function judgeTree(
  entry: MediaAuditEntry,
  path: string,
  timeLimitSeconds: number,
  { context }: Surroundings,
): Promise<Judgement | undefined> {
  const newest = await newestIn(path, timeLimitSeconds, context);
  if ("doubt" in newest) return { problem: "unreachable", reason: newest.doubt, evidence: [] };
  const mtime = pythonMtime(newest.mtimeNs);
  const size = String(newest.size);
  const evidence = [{ path: newest.path, expect: "same", size, mtimeNs: String(newest.mtimeNs) } as const];
  const latest = context.now() / 1000 + parseDuration(context.configuration.guards.clockSkew);
  if (entry.fileMtime > latest || mtime > latest) {
    // media-audit compares with the newest time it ever saw: with one in the future it never looks again.
    return { problem: "changed", reason: { rule: "time_in_the_future", observed: newest.path }, evidence };
  }
  if (mtime <= entry.fileMtime) return undefined;
  return { problem: "changed", reason: { rule: "subtree_changed", observed: newest.path }, evidence };
}

function judgeAge({ cacheTime }: MediaAuditEntry, { expiredBefore }: Surroundings): Judgement | undefined {
  if (expiredBefore === undefined || cacheTime * 1000 >= expiredBefore) return undefined;
  const [observed, threshold] = [cacheTime * 1000, expiredBefore].map((time) => isoTime(time));
  return {
    problem: "expired",
    reason: { rule: "older_than", observed: observed ?? null, ...(threshold === undefined ? {} : { threshold }) },
    evidence: [],
  };
}

/** A moment for a reader; one beyond what a date can hold is left out. */
function isoTime(time: number): string | undefined {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : undefined;
}
