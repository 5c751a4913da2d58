import { dirname, join, relative } from "node:path";

import picomatch from "picomatch";

import { TIME_CUT } from "./caches/directory/judge.ts";
import type { Configuration } from "./config.ts";
import type { Problem } from "./finding.ts";
import type { GuardName } from "./guard.ts";
import type { Skipped } from "./plan.ts";
import type { Found, Scan } from "./scan.ts";
import { formatSeconds } from "./units.ts";

/** What the caller wants changed, beyond what the configuration keeps. */
export interface Selection {
  /** Problems to act on. */
  readonly problems: readonly Problem[];
  /** Only entries last written longer ago than this many seconds. */
  readonly olderThanSeconds: number | undefined;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly maxEntries: number | undefined;
  /** Only caches that were left alone for this many seconds. */
  readonly minAgeSeconds: number;
  readonly allow: readonly GuardName[];
}

/** What will be acted on, and what was left alone and why. */
export interface Selected {
  readonly selected: readonly Found[];
  readonly skipped: readonly Skipped[];
}

/** `last_scanned` is local time without a zone, so an age is trusted to a day only. */
const AGE_TOLERANCE_SECONDS = 86_400;

/**
 * Chooses among the findings. Every finding of a wanted problem is either selected or skipped with its rule.
 * When `maxEntries` cuts, the entries that were written longest ago go first.
 */
export function select(scan: Scan, selection: Selection, configuration: Configuration, now: number): Selected {
  const caches = new Map(scan.caches.map((cache) => [cache.cache, cache]));
  const isKept = matcher(configuration.keep);
  const outside = patternFilter(selection.include, selection.exclude);
  const selected: Found[] = [];
  const skipped: Skipped[] = [];
  for (const found of scan.found) {
    const { problem, reason } = found.finding;
    if (!selection.problems.includes(problem)) continue;
    const path = pathInRoot(found);
    const cache = caches.get(found.finding.cache);
    const skip = (rule: string, observed: string | number | null, threshold?: string | number) => {
      const { cache: file, entry, name } = found.finding;
      skipped.push({ cache: file, entry, name, rule, observed, ...(threshold === undefined ? {} : { threshold }) });
    };
    const idle = cache && (now - cache.mtimeMs) / 1000;
    const age = found.lastSeen === undefined ? undefined : (now - found.lastSeen) / 1000;
    const outsideBy = outside(found);
    if (outsideBy !== undefined) skip(outsideBy, path);
    else if (isKept(path)) skip("kept_by_configuration", path);
    else if (reason.rule === TIME_CUT) skip("probably_unchanged", reason.rule);
    else if (cache?.inUseBy !== undefined && !selection.allow.includes("in_use")) skip("in_use", cache.inUseBy);
    else if (idle !== undefined && selection.minAgeSeconds > 0 && idle < selection.minAgeSeconds)
      skip("too_recent", formatSeconds(Math.max(0, idle)), formatSeconds(selection.minAgeSeconds));
    else if (selection.olderThanSeconds !== undefined && problem !== "leftover") {
      const limit = selection.olderThanSeconds;
      if (age === undefined) skip("age_unknown", null, formatSeconds(limit));
      else if (age < limit + AGE_TOLERANCE_SECONDS) skip("not_old_enough", formatSeconds(age), formatSeconds(limit));
      else selected.push(found);
    } else selected.push(found);
  }
  return cap(selected, skipped, selection.maxEntries);
}

/** The rule by which patterns leave a finding out, or `undefined` when they let it in. */
export function patternFilter(
  include: readonly string[],
  exclude: readonly string[],
): (found: Found) => "not_included" | "excluded" | undefined {
  const outside = pathFilter(include, exclude);
  return (found) => outside(pathInRoot(found));
}

/** The rule by which patterns leave a path below a root out, or `undefined` when they let it in. */
export function pathFilter(
  include: readonly string[],
  exclude: readonly string[],
): (path: string) => "not_included" | "excluded" | undefined {
  const isIncluded = include.length === 0 ? () => true : matcher(include);
  const isExcluded = matcher(exclude);
  return (path) => {
    if (!isIncluded(path)) return "not_included";
    return isExcluded(path) ? "excluded" : undefined;
  };
}

function cap(selected: readonly Found[], skipped: readonly Skipped[], most: number | undefined): Selected {
  if (most === undefined || selected.length <= most) return { selected, skipped };
  const byAge = selected.toSorted((a, b) => (a.lastSeen ?? Infinity) - (b.lastSeen ?? Infinity));
  const chosen = new Set(byAge.slice(0, most));
  const over = selected.flatMap((found) => {
    const { cache, entry, name } = found.finding;
    return chosen.has(found)
      ? []
      : [{ cache, entry, name, rule: "over_max_entries", observed: selected.length, threshold: most }];
  });
  return { selected: selected.filter((found) => chosen.has(found)), skipped: [...skipped, ...over] };
}

/** The media's path (for files themselves: the file's) relative to its root, as patterns are matched against. */
function pathInRoot({ finding, root, path, media }: Found): string {
  return media ?? relative(root, path ?? join(dirname(finding.cache), finding.name ?? ""));
}

/** Whether a path matches one of the patterns, none of them nothing; one without `/` is matched against the name alone. */
export function matcher(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  // Flag s: names may hold line breaks, and a pattern that keeps them must see them.
  const matchers = patterns.map((pattern) =>
    picomatch(pattern, { dot: true, basename: !pattern.includes("/"), flags: "s" }),
  );
  return (path) => matchers.some((match) => match(path));
}
