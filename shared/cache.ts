import { dirname, isAbsolute, resolve } from "node:path";

import { cleanupChange, findLegacy, repairChange } from "./caches/directory/changes.ts";
import { scanDirectories } from "./caches/directory/scan.ts";
import { draftManaged, evictionOf } from "./caches/managed/draft.ts";
import type { EvictionRequest } from "./caches/managed/scan.ts";
import { draftMediaAudit, removalOf, repairMediaAudit } from "./caches/probe/media-audit/draft.ts";
import { mediaAuditPlaces } from "./caches/probe/media-audit/places.ts";
import type { Context } from "./context.ts";
import type { ChangeDraft, Draft } from "./draft.ts";
import { CacheOpsError } from "./errors.ts";
import type { Evidence } from "./evidence.ts";
import { assertConfined, resolveRoots } from "./library.ts";
import type { Passport } from "./passport.ts";
import type { Change } from "./change.ts";
import type { Action, PlannedCache } from "./plan.ts";
import { printable } from "./printable.ts";
import { draftRemote, isRemoteChange } from "./remote.ts";
import type { Depth, Found, Scan } from "./scan.ts";

/** How to scan, whatever the kind. */
interface ScanOptions {
  /** Entries in order that were last written before this moment (ms since 1970) are `expired`. */
  readonly expiredBefore?: number | undefined;
  /** How closely to look at directory caches; in full unless said. */
  readonly depth?: Depth | undefined;
  /** What is to go from managed caches beyond what their settings say. */
  readonly eviction?: EvictionRequest | undefined;
}

/** What a kind of cache made of files has to offer to be listed, checked, cleaned and repaired. None of it writes. */
export interface CacheKind {
  readonly kind: "directory" | "probe" | "managed";
  readonly scan: (passports: readonly Passport[], context: Context, options?: ScanOptions) => Promise<Scan>;
  /** What a migration would bring up to date; found only when that is asked for. */
  readonly findLegacy: (scan: Scan) => Promise<readonly Found[]>;
  readonly cleanup: (found: Found) => ChangeDraft;
  /** The change, or the rule why nothing can be done. */
  readonly repair: (found: Found) => Promise<ChangeDraft | { readonly rule: string }>;
  /** What has to hold, beside the finding's own evidence, so that nobody is disturbed at work. */
  readonly idle: (found: Found) => readonly Evidence[];
  readonly draft: (changes: readonly Change[], seen: readonly PlannedCache[]) => Promise<Draft>;
  /** Whether what a library's caches lack is held against its configured roots, although these are not scanned. */
  readonly isJudgedByLibraries: boolean;
}

const directoryCaches: CacheKind = {
  kind: "directory",
  scan: scanDirectories,
  findLegacy,
  cleanup: cleanupChange,
  repair: repairChange,
  idle: ({ finding }) => [{ path: dirname(finding.cache), expect: "idle" }],
  draft: async (...given) => (await import("./caches/directory/draft.ts")).draftDirectory(...given),
  isJudgedByLibraries: false,
};

// Most plans are about directories alone, and find nothing: what it takes for more is loaded when there is more.

/** media-audit's cache. It takes no locks: what protects it is that every file is compared again before it goes. */
const probeCaches: CacheKind = {
  kind: "probe",
  scan: async (...given) => (await import("./caches/probe/media-audit/scan.ts")).scanMediaAudit(...given),
  findLegacy: async () => [],
  cleanup: removalOf,
  repair: async (found) => repairMediaAudit(found),
  idle: () => [],
  draft: draftMediaAudit,
  isJudgedByLibraries: true,
};

/** Directories under TTL, LRU and a quota. Whether one is in use is part of its evidence. */
const managedCaches: CacheKind = {
  kind: "managed",
  scan: async (...given) => (await import("./caches/managed/scan.ts")).scanManaged(...given),
  findLegacy: async () => [],
  cleanup: evictionOf,
  repair: async () => ({ rule: "cannot_be_repaired" }),
  idle: () => [],
  draft: draftManaged,
  isJudgedByLibraries: false,
};

/** Every kind of cache that lies in files and is changed by plans. */
const CACHE_KINDS = [directoryCaches, probeCaches, managedCaches] as const;

/** A kind of cache and the directories it is looked for in. */
export interface KindRoots {
  readonly kind: CacheKind;
  readonly roots: readonly string[];
}

/**
 * What some paths and kinds stand for. Without kinds: the caches of the media directories given; without either, the
 * caches of all libraries, media-audit's and the managed ones. Paths beside the kind `probe` alone are cache
 * directories of media-audit, beside `managed` alone names or roots of managed caches.
 *
 * Throws as {@link resolveRoots} does, and `not_found` when a kind was asked for of which there is none.
 */
export async function chooseRoots(
  paths: readonly string[],
  kinds: readonly CacheKind["kind"][] | undefined,
  context: Context,
): Promise<KindRoots[]> {
  if (kinds !== undefined && kinds.every((kind) => kind === "managed")) {
    return [{ kind: managedCaches, roots: await managedRoots(paths, context) }];
  }
  const wantsManaged = kinds === undefined ? paths.length === 0 : kinds.includes("managed");
  const managed = wantsManaged ? context.configuration.managed.map(({ root }) => resolve(root)) : [];
  const wantsProbe = kinds === undefined ? paths.length === 0 : kinds.includes("probe");
  const isProbeOnly = kinds !== undefined && !kinds.includes("directory") && wantsProbe;
  const probe = wantsProbe ? await probeRoots(isProbeOnly ? paths : [], context) : [];
  if (isProbeOnly && probe.length === 0) {
    throw new CacheOpsError("not_found", "there is no cache of media-audit at its default places", {
      hint: "Name its directory, or set probe.mediaAudit in the configuration.",
    });
  }
  const hasLibraries = paths.length > 0 || context.configuration.libraries.length > 0;
  const isDirectoryWanted = !isProbeOnly && (hasLibraries || (probe.length === 0 && managed.length === 0));
  return [
    ...(isDirectoryWanted ? [{ kind: directoryCaches, roots: await resolveRoots(paths, context) }] : []),
    ...(probe.length > 0 ? [{ kind: probeCaches, roots: probe }] : []),
    ...(managed.length > 0 ? [{ kind: managedCaches, roots: managed }] : []),
  ];
}

async function probeRoots(paths: readonly string[], context: Context): Promise<readonly string[]> {
  if (paths.length === 0) return mediaAuditPlaces(context);
  const relative = paths.find((path) => !isAbsolute(path));
  if (relative !== undefined) {
    throw new CacheOpsError("invalid_input", `"${relative}" is not an absolute path`, {
      hint: "With the kind probe, paths are cache directories of media-audit.",
    });
  }
  const roots = [...new Set(paths.map((path) => resolve(path)))];
  await assertConfined(roots, context);
  return roots;
}

/** Roots of the managed caches that some words name; no words: all. */
async function managedRoots(words: readonly string[], context: Context): Promise<readonly string[]> {
  const { managed } = context.configuration;
  if (managed.length === 0) {
    throw new CacheOpsError("not_found", "no managed cache is configured", {
      hint: "Describe one under `managed` in the configuration: its name, its root and its quota.",
    });
  }
  const chosen = words.map((word) => {
    const cache = managed.find(({ name, root }) => name === word || resolve(root) === word);
    if (cache !== undefined) return cache;
    throw new CacheOpsError("invalid_input", `"${printable(word)}" is no managed cache`, {
      hint: `Managed caches: ${managed.map(({ name }) => name).join(", ")}.`,
    });
  });
  const roots = [...new Set((chosen.length > 0 ? chosen : managed).map(({ root }) => resolve(root)))];
  await assertConfined(roots, context);
  return roots;
}

/** The kind of cache a finding or change is about. */
export function kindOf({ kind }: Pick<Change, "kind">): CacheKind {
  const found = CACHE_KINDS.find((known) => known.kind === kind);
  if (found === undefined) throw new Error(`caches of the kind ${kind} are not changed by plans`);
  return found;
}

/** Several scans as one. */
export function joinScans(scans: readonly Scan[]): Scan {
  return {
    caches: scans.flatMap(({ caches }) => caches),
    found: scans.flatMap(({ found }) => found),
    troubles: scans.flatMap(({ troubles }) => troubles),
    skipped: scans.flatMap(({ skipped = [] }) => skipped),
    inOrder: scans.flatMap(({ inOrder = [] }) => inOrder),
  };
}

/** Turns changes of any kinds into the actions that carry them out, numbered through. */
export async function draftChanges(changes: readonly Change[], seen: readonly PlannedCache[]): Promise<Draft> {
  const drafts: Draft[] = [];
  const remote = changes.filter(isRemoteChange);
  if (remote.length > 0) drafts.push(draftRemote(remote));
  for (const kind of CACHE_KINDS) {
    const own = changes.filter((change) => !isRemoteChange(change) && kindOf(change) === kind);
    if (own.length > 0) drafts.push(await kind.draft(own, seen));
  }
  const done = new Set(drafts.flatMap((draft) => draft.changes));
  const actions: Action[] = [];
  for (const draft of drafts) {
    const first = actions.length;
    for (const action of draft.actions) {
      actions.push({ ...action, seq: action.seq + first, after: action.after.map((seq) => seq + first) });
    }
  }
  return {
    changes: changes.filter((change) => done.has(change)),
    actions,
    caches: drafts.flatMap(({ caches }) => caches),
    skipped: drafts.flatMap(({ skipped }) => skipped),
    bytes: drafts.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
