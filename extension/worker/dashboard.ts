import { statfs } from "node:fs/promises";

import { AGE_CLASSES, CacheOpsError, printable, systemError, type Survey } from "@cache-ops/shared";

import type { Count, Dashboard, LibraryFigures, MediaFigures, RunFigures } from "../dashboard/figures.ts";
import type { RootRow } from "../protocol.ts";
import { summaryOf } from "./survey-pages.ts";

/** What the operations said that the dashboard is made of. */
export interface DashboardSources {
  readonly survey: { readonly at: number; readonly seen: Survey };
  /** Output of `stats` over the healthy roots; `null` when there is none. */
  readonly stats: Readonly<Record<string, unknown>> | null;
  /** Lines of `history`, newest first. */
  readonly runs: readonly Readonly<Record<string, unknown>>[];
  /** How many lines were asked for. */
  readonly mostRuns: number;
}

/** Puts together what the dashboard shows, and asks the disks of the libraries. */
export async function dashboardOf({ survey, stats, runs, mostRuns }: DashboardSources): Promise<Dashboard> {
  const { at, roots } = summaryOf(survey);
  return {
    at,
    libraries: await Promise.all(roots.map(libraryFigures)),
    media: stats === null ? null : mediaFigures(stats),
    cacheSizes: cacheSizes(survey.seen),
    runs: runs.map(runFigures),
    hasOlderRuns: runs.length === mostRuns,
  };
}

async function libraryFigures({ library, root, ...row }: RootRow): Promise<LibraryFigures> {
  return {
    ...row,
    library: printable(library),
    directory: printable(root),
    disk: row.state === "healthy" ? await diskOf(root) : null,
  };
}

async function diskOf(root: string): Promise<LibraryFigures["disk"]> {
  try {
    const { blocks, bavail, bsize } = await statfs(root);
    return { size: blocks * bsize, free: bavail * bsize };
  } catch (error) {
    const known = systemError(error, "its disk could not be asked");
    if (known instanceof CacheOpsError) return { trouble: known.message };
    throw error;
  }
}

function mediaFigures(stats: Readonly<Record<string, unknown>>): MediaFigures {
  const ages: readonly string[] = AGE_CLASSES;
  const age = ({ label }: Count) => (ages.includes(label) ? ages.indexOf(label) : ages.length);
  const number = (name: string) => stats[name] as number;
  const counts = (name: string) => countsOf(stats[name] as Readonly<Record<string, number>>);
  return {
    files: number("totalFiles"),
    mediaBytes: number("mediaBytes"),
    hdrFiles: number("hdrFiles"),
    needsConversion: number("needsConversion"),
    inheritedProbe: number("inheritedProbe"),
    videoCodecs: shortened(counts("byCodecVideo")),
    audioCodecs: shortened(counts("byCodecAudio")),
    resolutions: shortened(counts("byResolution")),
    hdrTypes: shortened(counts("byHdrType")),
    conversionReasons: counts("needsConversionBy"),
    ages: counts("byAge").toSorted((a, b) => age(a) - age(b)),
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
