import { dirname, relative } from "node:path";

import { countByProblem, isStale, type Problem, type Survey, isInside } from "@cache-ops/shared";

import type { DirectoryRow, Page, Requests, RootRow, Selection, SurveySummary } from "../protocol.ts";

/** A survey's directories as the tree shows them, worked out once. */
interface Index {
  readonly byRoot: ReadonlyMap<string, readonly Row[]>;
  readonly byDirectory: ReadonlyMap<string, Row>;
}

interface Row extends DirectoryRow {
  /** What a search looks in beside the label, in lower case. */
  readonly names: string;
}

type SeenCache = Survey["scan"]["caches"][number];

const indexes = new WeakMap<Survey, Index>();

/** Rows of caches: whatever looks at a directory again makes another object of its cache, so the others' rows hold. */
const rowsOfCaches = new WeakMap<SeenCache, Row>();

/** The roots with what they add up to. */
export function summaryOf({ at, seen }: { readonly at: number; readonly seen: Survey }): SurveySummary {
  const { byRoot } = indexOf(seen);
  const roots = seen.roots.map(({ library, root, state, detail }): RootRow => {
    // What was seen of a root before it went away says nothing now.
    const rows = state === "healthy" ? (byRoot.get(root) ?? []) : [];
    return {
      library,
      root,
      state,
      detail,
      caches: rows.filter(({ cache }) => cache !== null).length,
      entries: sum(rows.map(({ entries }) => entries)),
      bytes: sum(rows.map(({ bytes }) => bytes)),
      stale: sum(rows.map(({ stale }) => stale)),
      byProblem: addUp(rows.map(({ byProblem }) => byProblem)),
      troubles: seen.scan.troubles.filter(({ path }) => isInside(root, path)).length,
    };
  });
  return { at, roots };
}

/** The directories of a root that the selection lets through, in its order. */
export function directoryRows(
  seen: Survey,
  { root, selection, offset, limit }: Requests["directories"][0],
): Page<DirectoryRow> {
  const chosen = chosenRows(indexOf(seen).byRoot.get(root) ?? [], selection);
  return { total: chosen.length, rows: chosen.slice(offset, offset + limit).map(withoutNames) };
}

/** What is known of one directory. */
export function directoryRow(seen: Survey | undefined, directory: string): DirectoryRow | null {
  const row = seen && indexOf(seen).byDirectory.get(directory);
  return row === undefined ? null : withoutNames(row);
}

function withoutNames({ names: _names, ...row }: Row): DirectoryRow {
  return row;
}

/** The last selection of each root that was asked for: the next page of it costs nothing. */
const chosenLast = new WeakMap<readonly Row[], { readonly key: string; readonly chosen: readonly Row[] }>();

function chosenRows(rows: readonly Row[], selection: Selection): readonly Row[] {
  const key = JSON.stringify(selection);
  const last = chosenLast.get(rows);
  if (last?.key === key) return last.chosen;
  const wanted = selection.search.toLowerCase();
  const chosen = rows
    .filter(({ byProblem }) => selection.problems.length === 0 || selection.problems.some((name) => name in byProblem))
    .filter(({ label, names }) => wanted === "" || names.includes(wanted) || label.toLowerCase().includes(wanted))
    .toSorted(ORDERS[selection.sort]);
  chosenLast.set(rows, { key, chosen });
  return chosen;
}

const byName = (a: Row, b: Row) => (a.label < b.label ? -1 : Number(a.label > b.label));
const ORDERS: Readonly<Record<Selection["sort"], (a: Row, b: Row) => number>> = {
  stale: (a, b) => b.stale - a.stale || problems(b) - problems(a) || byName(a, b),
  size: (a, b) => b.bytes - a.bytes || byName(a, b),
  age: (a, b) => (a.modifiedAt ?? Infinity) - (b.modifiedAt ?? Infinity) || byName(a, b),
  name: byName,
};

function problems({ byProblem }: Row): number {
  return sum(Object.values(byProblem));
}

function indexOf(seen: Survey): Index {
  const known = indexes.get(seen);
  if (known !== undefined) return known;
  const made = makeIndex(seen);
  indexes.set(seen, made);
  return made;
}

function makeIndex({ roots, scan }: Survey): Index {
  const byDirectory = new Map<string, Row>();
  const byRoot = new Map<string, Row[]>(roots.map(({ root }) => [root, []]));
  const found = Map.groupBy(scan.found, ({ finding }) => dirname(finding.cache));
  const seenAt = new Map(scan.caches.map((cache) => [dirname(cache.cache), cache]));
  for (const directory of new Set([...seenAt.keys(), ...found.keys()])) {
    const cache = seenAt.get(directory);
    const findings = found.get(directory) ?? [];
    const root = cache?.root ?? findings[0]?.root ?? directory;
    const row = (cache && rowsOfCaches.get(cache)) ?? makeRow(directory, root, cache, findings);
    if (cache !== undefined) rowsOfCaches.set(cache, row);
    byDirectory.set(directory, row);
    byRoot.get(root)?.push(row);
  }
  return { byRoot, byDirectory };
}

function makeRow(
  directory: string,
  root: string,
  cache: SeenCache | undefined,
  findings: Survey["scan"]["found"],
): Row {
  const label = relative(root, directory) || ".";
  return {
    directory,
    label,
    cache: cache?.cache ?? null,
    entries: cache?.entries ?? 0,
    bytes: cache?.content.size ?? 0,
    modifiedAt: cache?.mtimeMs ?? null,
    ...(findings.length === 0 ? NOTHING_WRONG : wrongIn(findings)),
  };
}

/** What most rows have in common, once for all of them. */
const NOTHING_WRONG = { stale: 0, byProblem: {}, files: [], names: "" } as const;

function wrongIn(findings: Survey["scan"]["found"]) {
  return {
    stale: findings.filter(({ finding }) => isStale(finding.problem)).length,
    byProblem: countByProblem(findings.map(({ finding }) => finding)),
    files: findings.flatMap(({ finding, path }) =>
      finding.entry === null
        ? [{ path: path ?? finding.cache, problem: finding.problem, ...ruleOf(finding.reason) }]
        : [],
    ),
    names: findings
      .map(({ finding }) => finding.name ?? "")
      .join("\n")
      .toLowerCase(),
  };
}

function ruleOf({ rule, observed }: { readonly rule: string; readonly observed: string | number | null }) {
  return { rule, observed };
}

function addUp(counts: readonly Readonly<Record<string, number>>[]): Record<Problem, number> {
  const total: Record<string, number> = {};
  for (const each of counts) for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count;
  return total;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
