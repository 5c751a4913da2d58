import { statfs } from "node:fs/promises";

import {
  AGE_CLASSES,
  CacheOpsError,
  parseDuration,
  printable,
  systemError,
  withTimeLimit,
  type Context,
  type Statistics,
  type Survey,
} from "@cache-ops/shared";

import type {
  Count,
  Dashboard,
  LibraryFigures,
  ManagedFigures,
  MediaFigures,
  ProbeFigures,
  RunFigures,
} from "../dashboard/figures.ts";
import type { RootRow } from "../protocol.ts";
import type { managedFigures } from "./managed-pages.ts";
import { summaryOf } from "./survey-pages.ts";

/** What the operations said that the dashboard is made of. */
export interface DashboardSources {
  readonly survey: { readonly at: number; readonly seen: Survey };
  /** Statistics over the caches of the survey; `null` when no library could be looked at. */
  readonly stats: Statistics | null;
  /** Figures of the central cache of probe results, if there is one. */
  readonly probe: ProbeFigures | undefined;
  /** Figures of the managed caches, or why one of them cannot be looked at. */
  readonly managed: Awaited<ReturnType<typeof managedFigures>>;
  /** Lines of `history`, newest first. */
  readonly runs: readonly Readonly<Record<string, unknown>>[];
  /** How many lines were asked for. */
  readonly mostRuns: number;
}

/** Puts together what the dashboard shows, and asks the disks of the libraries. */
export async function dashboardOf(
  { survey, stats, probe, managed, runs, mostRuns }: DashboardSources,
  { configuration }: Pick<Context, "configuration">,
): Promise<Dashboard> {
  const { at, roots } = summaryOf(survey);
  const timeLimitSeconds = parseDuration(configuration.timeLimit);
  return {
    at,
    ...(probe === undefined ? {} : { probe }),
    libraries: await Promise.all(roots.map((row) => libraryFigures(row, timeLimitSeconds))),
    ...(managed.length === 0 ? {} : { managed: managed.map(managedUse) }),
    media: stats === null ? null : mediaFigures(stats),
    cacheSizes: cacheSizes(survey.seen),
    runs: runs.map(runFigures),
    hasOlderRuns: runs.length === mostRuns,
  };
}

function managedUse(seen: DashboardSources["managed"][number]): ManagedFigures {
  const { name, root, maxBytes, highWatermark, lowWatermark } = seen.cache;
  const own = { name, directory: printable(root) };
  if ("trouble" in seen) return { ...own, use: { trouble: printable(seen.trouble) } };
  const { totals, quarantined, disk, daysUntilFull } = seen;
  const { directories, bytes, hits, misses, evictions, reclaimedBytes } = totals;
  const counters = { directories, bytes, hits, misses, evictions, reclaimedBytes };
  const limits = { maxBytes: maxBytes ?? null, highWatermark, lowWatermark };
  return { ...own, use: { ...counters, ...limits, quarantined, freeBytes: disk.free, daysUntilFull } };
}

async function libraryFigures({ library, root, ...row }: RootRow, timeLimitSeconds: number): Promise<LibraryFigures> {
  return {
    ...row,
    library: printable(library),
    directory: printable(root),
    disk: row.state === "healthy" ? await diskOf(root, timeLimitSeconds) : null,
  };
}

async function diskOf(root: string, timeLimitSeconds: number): Promise<LibraryFigures["disk"]> {
  try {
    const { blocks, bavail, bsize } = await withTimeLimit(() => statfs(root), timeLimitSeconds, root);
    return { size: blocks * bsize, free: bavail * bsize };
  } catch (error) {
    const known = systemError(error, "its disk could not be asked");
    if (known instanceof CacheOpsError) return { trouble: known.message };
    throw error;
  }
}

function mediaFigures(stats: Statistics): MediaFigures {
  const ages: readonly string[] = AGE_CLASSES;
  const age = ({ label }: Count) => (ages.includes(label) ? ages.indexOf(label) : ages.length);
  return {
    files: stats.totalFiles,
    mediaBytes: stats.mediaBytes,
    hdrFiles: stats.hdrFiles,
    needsConversion: stats.needsConversion,
    inheritedProbe: stats.inheritedProbe,
    videoCodecs: shortened(countsOf(stats.byCodecVideo)),
    audioCodecs: shortened(countsOf(stats.byCodecAudio)),
    resolutions: shortened(countsOf(stats.byResolution)),
    hdrTypes: shortened(countsOf(stats.byHdrType)),
    conversionReasons: countsOf(stats.needsConversionBy),
    ages: countsOf(stats.byAge).toSorted((a, b) => age(a) - age(b)),
  };
}

/** Largest first. */
function countsOf(counts: Readonly<Record<string, number>>): readonly Count[] {
  return Object.entries(counts)
    .map(([label, count]) => ({ label: printable(label), count }))
    .toSorted((a, b) => b.count - a.count);
}

const SIZES = [
  ["under 10 kB", 10_000],
  ["10 to 100 kB", 100_000],
  ["100 kB to 1 MB", 1_000_000],
  ["1 to 10 MB", 10_000_000],
  ["over 10 MB", Infinity],
] as const;

/** How many cache files of healthy roots there are of each size. */
function cacheSizes({ roots, scan }: Survey): readonly Count[] {
  const healthy = new Set(roots.filter(({ state }) => state === "healthy").map(({ root }) => root));
  const sizes = scan.caches.filter(({ root }) => healthy.has(root)).map(({ content }) => content.size);
  return SIZES.map(([label, limit], index) => {
    const from = SIZES[index - 1]?.[1] ?? 0;
    return { label, count: sizes.filter((size) => size >= from && size < limit).length };
  });
}

/** How many values of a list are shown by themselves: a broken cache can hold thousands. */
const MOST_VALUES = 10;

function shortened(counts: readonly Count[]): readonly Count[] {
  if (counts.length <= MOST_VALUES) return counts;
  const rest = counts.slice(MOST_VALUES - 1);
  const count = rest.reduce((sum, each) => sum + each.count, 0);
  return [...counts.slice(0, MOST_VALUES - 1), { label: `${rest.length} other values`, count }];
}

function runFigures(line: Readonly<Record<string, unknown>>): RunFigures {
  const { run, undoes, undoneBy, status, startedAt, entries, caches, reclaimedBytes, canUndo } =
    line as unknown as Omit<RunFigures, "startedAt"> & { readonly startedAt: string };
  return {
    run,
    undoes,
    undoneBy,
    status,
    startedAt: Date.parse(startedAt),
    entries,
    caches,
    reclaimedBytes,
    canUndo,
  };
}
