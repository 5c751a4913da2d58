import { lstat, readdir } from "node:fs/promises";
import { basename, join, relative } from "node:path";

import PQueue from "p-queue";

import { isInside } from "../../../anchor.ts";
import type { Context } from "../../../context.ts";
import { CacheOpsError, errnoOf, ERRNO_HINTS } from "../../../errors.ts";
import { readSeenFile, type SeenFile } from "../../../file.ts";
import type { Problem, Reason, Trouble } from "../../../finding.ts";
import { TEMP_PATTERN } from "../../../naming.ts";
import type { Passport } from "../../../passport.ts";
import type { Found, Scan, SeenCache } from "../../../scan.ts";
import { throwIfAborted, withTimeLimit } from "../../../time-limit.ts";
import { parseDuration } from "../../../units.ts";
import { surplusOf } from "../../directory/leftovers.ts";
import type { Witness } from "./absence.ts";
import { readProbeEntry, readScanEntry, type EntryReading, type MediaAuditEntry } from "./entry.ts";
import { judge, nameOf, type CacheFile, type Judged, type Surroundings } from "./judge.ts";
import { MAX_PICKLE_BYTES } from "./pickle.ts";
import { makeTies } from "./ties.ts";
import { findWitnesses } from "./witnesses.ts";

/** One file of a cache that was read and judged. */
export interface JudgedFile extends Judged {
  readonly entry: MediaAuditEntry | undefined;
  readonly type: CacheFile["type"];
}

/** How to scan. */
export interface MediaAuditScanOptions {
  /** Entries in order that were made before this moment (ms since 1970) are `expired`. */
  readonly expiredBefore?: number | undefined;
  /** Is given every entry that could be read, with what became of it; for those who want more than findings. */
  readonly onJudged?: ((file: JudgedFile) => Promise<void>) | undefined;
}

const CONCURRENCY = 8;
const SCHEMA_FILE = "schema_version.txt";

/**
 * Judges every file in these cache directories of media-audit. Only reads; findings come in the order of their paths.
 *
 * Each file is a cache with one entry. It counts as modified when the newest of its directory was: while media-audit
 * writes, all of it is in use.
 */
export async function scanMediaAudit(
  passports: readonly Passport[],
  context: Context,
  { expiredBefore, onJudged }: MediaAuditScanOptions = {},
): Promise<Scan> {
  const caches: SeenCache[] = [];
  const found: Found[] = [];
  const troubles: Trouble[] = [];
  const witnesses = passports.length === 0 ? [] : await findWitnesses(context);
  const healthy = witnesses.flatMap(({ root, state }) => (state.state === "healthy" ? [root] : []));
  const ties = makeTies(healthy, context);
  for (const passport of passports) {
    const schema = await readSchema(passport.root, troubles);
    const around = { schema, witnesses, ties, expiredBefore, context };
    const scope = { passport, around, troubles, onJudged };
    const seen: SeenCache[] = [];
    for (const type of ["probe", "scan"] as const) await scanFolder(type, scope, seen, found);
    const mtimeMs = seen.reduce((newest, cache) => Math.max(newest, cache.mtimeMs), 0);
    caches.push(...seen.map((cache) => ({ ...cache, mtimeMs })));
  }
  const byPath = (a: string, b: string) => (a < b ? -1 : Number(a > b));
  return {
    caches: caches.toSorted((a, b) => byPath(a.cache, b.cache)),
    found: found.toSorted((a, b) => byPath(a.finding.cache, b.finding.cache)),
    troubles,
  };
}

interface Scope {
  readonly passport: Passport;
  readonly around: Surroundings;
  readonly troubles: Trouble[];
  readonly onJudged: MediaAuditScanOptions["onJudged"];
}

async function scanFolder(type: CacheFile["type"], scope: Scope, seen: SeenCache[], found: Found[]): Promise<void> {
  const { passport, around, troubles } = scope;
  const { context } = around;
  const folder = join(passport.root, type);
  const names = await namesIn(folder, context, troubles);
  if (names === undefined) return;
  const limit = parseDuration(context.configuration.timeLimit);
  const surplus = await surplusOf({ root: passport.root, path: folder, names }, context.now(), limit);
  for (const { name, rule, ageSeconds } of surplus.leftovers) {
    if (rule !== "our_temp" && rule !== "our_lock") continue;
    const path = join(folder, name);
    const reason = { rule, observed: `${Math.floor(ageSeconds)} s old` };
    found.push({ ...finding(passport.root, path, null, "leftover", reason), path });
  }
  const ending = type === "probe" ? ".pkl" : ".json";
  const files = [...names].filter(([name]) => name.endsWith(ending) && !TEMP_PATTERN.test(name));
  const queue = new PQueue({ concurrency: CONCURRENCY });
  let done = 0;
  await Promise.all(
    files.map(([name, kind]) =>
      queue.add(async () => {
        throwIfAborted(context.signal);
        done += 1;
        context.progress({ message: `checking ${folder}`, done, total: files.length });
        const result = await scanFile(join(folder, name), kind, { type, stem: basename(name, ending) }, scope);
        if (result.seen !== undefined) seen.push(result.seen);
        if (result.found !== undefined) found.push(result.found);
      }),
    ),
  );
}

interface FileResult {
  readonly seen?: SeenCache;
  readonly found?: Found | undefined;
}

async function scanFile(path: string, kind: string, file: CacheFile, scope: Scope): Promise<FileResult> {
  const { passport, around, troubles, onJudged } = scope;
  const { root } = passport;
  const limit = parseDuration(around.context.configuration.timeLimit);
  if (kind !== "file") {
    return { found: finding(root, path, null, "unreachable", { rule: "not_a_regular_file", observed: kind }) };
  }
  let read: SeenFile;
  try {
    read = await withTimeLimit(() => readSeenFile(path), limit, path);
  } catch (error) {
    const code = error instanceof CacheOpsError ? error.code : errnoOf(error);
    if (code === undefined) throw error;
    // Gone meanwhile: media-audit or somebody else is at work, and there is nothing to say about it.
    if (code === "ENOENT") return {};
    troubles.push({ path, code, message: "cannot read this file; it was kept and not judged" });
    return { found: finding(root, path, null, "unreachable", { rule: "cache_unreadable", observed: code }) };
  }
  const reading = readEntry(file, read.bytes);
  const entry = "entry" in reading ? reading.entry : undefined;
  const lastSeen = entry === undefined ? undefined : entry.cacheTime * 1000;
  const seen: SeenCache = {
    kind: "probe",
    cache: path,
    file: join(passport.realPath, relative(root, path)),
    root,
    content: read.content,
    mtimeMs: Number(read.identity.mtimeNs / 1_000_000n),
    entries: 1,
    writtenAt: lastSeen,
    inUseBy: undefined,
  };
  if (!/^[0-9a-f]{32}$/.test(file.stem)) {
    const reason = { rule: "name_is_not_the_key", observed: null };
    return { seen, found: finding(root, path, null, "unreachable", reason) };
  }
  const judged = await judge(file, reading, around);
  await onJudged?.({ ...judged, entry, type: file.type });
  if (judged.judgement === undefined) return { seen };
  const { problem, reason, evidence } = judged.judgement;
  const base = finding(
    root,
    path,
    { key: file.stem, name: entry === undefined ? null : nameOf(entry) },
    problem,
    reason,
  );
  const media = judged.media === undefined ? {} : { media: inLibrary(judged.media, around.witnesses) };
  return { seen, found: { ...base, evidence, lastSeen, ...media } };
}

function readEntry({ type }: CacheFile, bytes: Buffer): EntryReading {
  if (type === "probe") return readProbeEntry(bytes);
  if (bytes.length <= MAX_PICKLE_BYTES) return readScanEntry(bytes);
  return { refused: { rule: "too_large", observed: bytes.length, threshold: MAX_PICKLE_BYTES } };
}

function finding(
  root: string,
  cache: string,
  entry: { readonly key: string; readonly name: string | null } | null,
  problem: Problem,
  reason: Reason,
): Found {
  return {
    finding: { kind: "probe", cache, entry: entry?.key ?? null, name: entry?.name ?? null, problem, reason },
    root,
    evidence: [],
    lastSeen: undefined,
  };
}

/** A media path as patterns are matched against it: below its library's root; elsewhere the whole path. */
function inLibrary(media: string, witnesses: readonly Witness[]): string {
  const library = witnesses.find(({ root }) => isInside(root, media));
  return library === undefined ? media.replace(/^\/+/, "") : relative(library.root, media);
}

async function namesIn(
  folder: string,
  { configuration }: Context,
  troubles: Trouble[],
): Promise<ReadonlyMap<string, "file" | "directory" | "symlink" | "other"> | undefined> {
  const limit = parseDuration(configuration.timeLimit);
  try {
    // A linked folder would lead out of the cache.
    if (!(await withTimeLimit(() => lstat(folder), limit, folder)).isDirectory()) {
      troubles.push({
        path: folder,
        code: "not_a_directory",
        message: "this is no directory; nothing in it was judged",
      });
      return undefined;
    }
    const entries = await withTimeLimit(() => readdir(folder, { withFileTypes: true }), limit, folder);
    return new Map(
      entries.map((entry) => {
        const kind = entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other";
        return [entry.name, entry.isSymbolicLink() ? "symlink" : kind] as const;
      }),
    );
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (errno === "ENOENT") return new Map();
    const hint = ERRNO_HINTS[errno] ?? "Nothing in it was judged.";
    troubles.push({ path: folder, code: errno, message: `cannot read this directory: ${hint}` });
    return undefined;
  }
}

/** The version in `schema_version.txt`. Without a proper one, schemas are not compared. */
async function readSchema(root: string, troubles: Trouble[]): Promise<Surroundings["schema"]> {
  const path = join(root, SCHEMA_FILE);
  try {
    const { bytes, content, attributes } = await readSeenFile(path);
    const version = content.size > 64 ? "" : bytes.toString("latin1").trim();
    if (/^[0-9a-f]{8}$/.test(version)) {
      const evidence = { path, expect: "same", size: String(content.size), mtimeNs: attributes.mtimeNs } as const;
      return { version, evidence };
    }
    troubles.push({ path, code: "corrupt", message: "this is no schema version; schemas were not compared" });
  } catch (error) {
    const code = error instanceof CacheOpsError ? error.code : errnoOf(error);
    if (code === undefined) throw error;
    if (code !== "ENOENT") troubles.push({ path, code, message: "cannot read this file; schemas were not compared" });
  }
  return undefined;
}
