import { dirname } from "node:path";

import { isInside } from "./anchor.ts";
import { scanDirectories } from "./caches/directory/scan.ts";
import type { Context } from "./context.ts";
import { countByProblem, type ByProblem, type Finding, type Problem, type Trouble } from "./finding.ts";
import { passportDifference, type Passport } from "./passport.ts";
import type { Found, Scan, SeenCache } from "./scan.ts";
import { directoryOf, inspectRoots, rootsOfLibraries, withoutCopies, type SurveyedRoot } from "./survey.ts";

/** What a directory holds now, told because it held something else before. */
export interface DirectoryNews {
  readonly library: string;
  readonly root: string;
  /** Absolute path. */
  readonly directory: string;
  /** Path of its cache; `null`: there is none that can be read. */
  readonly cache: string | null;
  /** Entries of the cache. */
  readonly entries: number;
  readonly byProblem: ByProblem;
  /** All that is wrong there. */
  readonly findings: readonly Finding[];
  readonly troubles: readonly Trouble[];
}

/** A root and what its directories add up to. Of one that is not in order nothing is counted. */
export interface RootFigures extends SurveyedRoot {
  readonly caches: number;
  readonly entries: number;
  readonly byProblem: ByProblem;
}

/** What a look found to be other than it was. */
export interface SurveyNews {
  readonly directories: readonly DirectoryNews[];
  /** Roots that are in order now and were not, or the other way round. */
  readonly roots: readonly SurveyedRoot[];
  /** A root is another place than it was, or in order again: only a look at everything says what lies there. */
  readonly needsAll: boolean;
}

/** A survey of the configured libraries in which one directory can be looked at anew at the cost of that directory. */
export interface LiveSurvey {
  /** Looks at everything. What lies in a root that is not in order stays as it was seen last. */
  lookAtAll(context: Context): Promise<SurveyNews>;
  /**
   * Looks at some directories again and strikes out those that are gone, where their roots are in order and the places
   * they were. Media that moved away is not looked for: what is known of it is kept.
   */
  look(changed: Iterable<string>, gone: Iterable<string>, context: Context): Promise<SurveyNews>;
  /** Whether a root is not as it was: gone, back, or another place. */
  haveRootsChanged(context: Context): Promise<boolean>;
  /** Every root as last seen. */
  figures(): readonly RootFigures[];
}

/** All that is known of one directory. Directories without a cache, findings and troubles are not kept. */
interface SeenDirectory {
  cache: SeenCache | undefined;
  readonly found: Found[];
  readonly troubles: Trouble[];
}

interface SeenRoot {
  readonly surveyed: SurveyedRoot;
  /** Of one that was in order. */
  readonly passport: Passport | undefined;
  readonly directories: Map<string, SeenDirectory>;
  readonly problems: Map<Problem, number>;
  caches: number;
  entries: number;
}

/** Nothing was seen yet. */
export function makeLiveSurvey(): LiveSurvey {
  let roots = new Map<string, SeenRoot>();

  const rootOf = (path: string) => roots.values().find(({ surveyed: { root } }) => isInside(root, path));
  /** Puts what was seen now in the place of what was seen before; tells what became different. */
  const put = (root: SeenRoot, directory: string, seen: SeenDirectory | undefined): DirectoryNews[] => {
    const before = root.directories.get(directory);
    if (before !== undefined) count(root, before, -1);
    if (seen === undefined) root.directories.delete(directory);
    else root.directories.set(directory, seen);
    if (seen !== undefined) count(root, seen, 1);
    return textOf(before) === textOf(seen) ? [] : [newsOf(root.surveyed, directory, seen)];
  };

  const lookAtAll = async (context: Context): Promise<SurveyNews> => {
    const inspected = await inspectRoots(await rootsOfLibraries(context), context);
    const { directories: seen } = byDirectory(await scanDirectories(inspected.passports, context), inspected.roots);
    const passports = new Map(inspected.passports.map((passport) => [passport.root, passport]));
    const before = roots;
    roots = new Map(inspected.roots.map((root) => [root.root, takenOver(root, passports.get(root.root), before)]));
    const directories: DirectoryNews[] = [];
    for (const [directory, now] of seen) {
      const root = rootOf(directory);
      if (root !== undefined) directories.push(...put(root, directory, now));
    }
    for (const root of roots.values()) {
      if (root.passport === undefined) continue;
      for (const directory of root.directories.keys())
        if (!seen.has(directory)) directories.push(...put(root, directory, undefined));
    }
    const changed = inspected.roots.filter(({ root, state }) => before.get(root)?.surveyed.state !== state);
    return { directories, roots: changed, needsAll: false };
  };

  const look = async (changed: Iterable<string>, gone: Iterable<string>, context: Context): Promise<SurveyNews> => {
    const wanted = Map.groupBy(changed, rootOf);
    const struckOut = Map.groupBy(gone, rootOf);
    const concerned = new Set([...wanted.keys(), ...struckOut.keys()].flatMap((root) => root ?? []));
    const { passports, different } = await inspectAgain(concerned, context);
    const only = passports.flatMap(({ root }) => wanted.get(roots.get(root)) ?? []);
    const seen = byDirectory(
      await scanDirectories(passports, context, { only }),
      Array.from(concerned, ({ surveyed }) => surveyed),
    );
    const directories: DirectoryNews[] = [];
    // First what went: of a directory that was renamed, the old name.
    for (const { root: path } of passports) {
      const root = roots.get(path);
      if (root === undefined) continue;
      for (const directory of struckOut.get(root) ?? []) directories.push(...put(root, directory, undefined));
    }
    for (const directory of only) {
      const root = rootOf(directory);
      // What went away meanwhile is told of again.
      if (root === undefined || seen.vanished.has(directory)) continue;
      directories.push(...put(root, directory, withMoves(seen.directories.get(directory), root, directory)));
    }
    const lost = different.filter(({ state }) => state !== "healthy");
    for (const root of lost) roots.set(root.root, takenOver(root, undefined, roots));
    // What is in order again, or another place, counts once everything was looked at.
    return { directories, roots: lost, needsAll: lost.length < different.length };
  };

  /** Passports of the roots that are what they were, and the others as they are now. */
  const inspectAgain = async (some: Iterable<SeenRoot>, context: Context) => {
    const known = new Map(Array.from(some, (root) => [root.surveyed.root, root] as const));
    const libraries = Array.from(known.values(), ({ surveyed }) => [surveyed.root, surveyed.library] as const);
    const inspected = await inspectRoots(libraries, context);
    const passports = inspected.passports.filter((now) => {
      const before = known.get(now.root)?.passport;
      return before !== undefined && passportDifference(before, now, "plan") === undefined;
    });
    const same = new Set(passports.map(({ root }) => root));
    const different = inspected.roots.filter(
      ({ root, state }) => !same.has(root) && (state === "healthy" || known.get(root)?.surveyed.state !== state),
    );
    return { passports, different };
  };

  return {
    lookAtAll,
    look,
    haveRootsChanged: async (context) => (await inspectAgain(roots.values(), context)).different.length > 0,
    figures: () =>
      Array.from(roots.values(), ({ surveyed, caches, entries, problems }) =>
        surveyed.state === "healthy"
          ? { ...surveyed, caches, entries, byProblem: Object.fromEntries(problems) }
          : { ...surveyed, caches: 0, entries: 0, byProblem: {} },
      ),
  };
}

/** A root with what was seen in it before. */
function takenOver(
  surveyed: SurveyedRoot,
  passport: Passport | undefined,
  before: ReadonlyMap<string, SeenRoot>,
): SeenRoot {
  const known = before.get(surveyed.root);
  const { directories = new Map(), problems = new Map(), caches = 0, entries = 0 } = known ?? {};
  return { surveyed, passport, directories, problems, caches, entries };
}

function count(root: SeenRoot, { cache, found }: SeenDirectory, sign: 1 | -1): void {
  root.caches += cache === undefined ? 0 : sign;
  root.entries += sign * (cache?.entries ?? 0);
  for (const { finding } of found) {
    const left = (root.problems.get(finding.problem) ?? 0) + sign;
    if (left === 0) root.problems.delete(finding.problem);
    else root.problems.set(finding.problem, left);
  }
}

/** What a scan saw by directory, and which directories were not there when they were to be read. */
function byDirectory({ caches, found, troubles }: Scan, roots: readonly SurveyedRoot[]) {
  const directories = new Map<string, SeenDirectory>();
  const vanished = new Set<string>();
  const at = (directory: string) => {
    const known = directories.get(directory) ?? { cache: undefined, found: [], troubles: [] };
    directories.set(directory, known);
    return known;
  };
  for (const cache of caches) at(dirname(cache.cache)).cache = withoutCopies(cache, roots);
  for (const item of found) at(dirname(item.finding.cache)).found.push(item);
  for (const trouble of troubles) {
    const directory = directoryOf(trouble);
    if (trouble.code === "ENOENT" && directory === trouble.path) vanished.add(directory);
    else at(directory).troubles.push(trouble);
  }
  return { directories, vanished };
}

/** What a look at everything found out about media that moved still holds. */
function withMoves(seen: SeenDirectory | undefined, { directories }: SeenRoot, directory: string) {
  const moves = new Map(
    directories
      .get(directory)
      ?.found.flatMap((item) => (item.movedTo === undefined ? [] : [[item.finding.entry, item]])),
  );
  if (seen === undefined || moves.size === 0) return seen;
  const found = seen.found.map((item) =>
    item.finding.problem === "orphaned" ? (moves.get(item.finding.entry) ?? item) : item,
  );
  return { ...seen, found };
}

/** Differs when a directory holds something else. */
function textOf(seen: SeenDirectory | undefined): string | undefined {
  if (seen === undefined) return undefined;
  const { cache, found, troubles } = seen;
  // Not what was observed: the age of a leftover is another one every second.
  const problems = found.map(({ finding }) => [finding.problem, finding.entry, finding.name, finding.reason.rule]);
  return JSON.stringify([cache?.content, cache?.entries, cache?.inUseBy, problems, troubles]);
}

function newsOf({ library, root }: SurveyedRoot, directory: string, seen: SeenDirectory | undefined): DirectoryNews {
  const findings = (seen?.found ?? []).map(({ finding }) => finding);
  return {
    library,
    root,
    directory,
    cache: seen?.cache?.cache ?? null,
    entries: seen?.cache?.entries ?? 0,
    byProblem: countByProblem(findings),
    findings,
    troubles: seen?.troubles ?? [],
  };
}
