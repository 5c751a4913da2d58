import { countByProblem, isStale, type MediaAuditSurvey } from "@cache-ops/shared";

import type { MediaAuditFigures, MediaAuditPage, MediaAuditRow, Selection } from "../protocol.ts";

/** Rows of a look and what they add up to, worked out once. */
interface Index {
  readonly rows: readonly MediaAuditRow[];
  readonly figures: MediaAuditFigures;
}

const indexes = new WeakMap<MediaAuditSurvey, Index>();

/** The files of a cache of media-audit that the selection lets through, in its order; those with problems come first. */
export function mediaAuditPage(
  seen: MediaAuditSurvey,
  { selection, offset, limit }: { readonly selection: Selection; readonly offset: number; readonly limit: number },
): MediaAuditPage {
  let index = indexes.get(seen);
  if (index === undefined) indexes.set(seen, (index = makeIndex(seen)));
  const { problems, search, sort } = selection;
  const wanted = search.toLowerCase();
  const chosen = index.rows
    .filter(({ problem }) => problems.length === 0 || (problem !== null && problems.includes(problem)))
    .filter(({ name, media, path }) => `${name ?? ""}\n${media ?? ""}\n${path}`.toLowerCase().includes(wanted))
    .toSorted(ORDERS[sort]);
  return { total: chosen.length, rows: chosen.slice(offset, offset + limit), figures: index.figures };
}

type Order = (a: MediaAuditRow, b: MediaAuditRow) => number;
const byName: Order = (a, b) => compare(a.name ?? a.path, b.name ?? b.path) || compare(a.path, b.path);
const ORDERS: Readonly<Record<Selection["sort"], Order>> = {
  stale: (a, b) => rank(a) - rank(b) || byName(a, b),
  size: (a, b) => b.bytes - a.bytes || byName(a, b),
  age: (a, b) => (a.writtenAt ?? Infinity) - (b.writtenAt ?? Infinity) || byName(a, b),
  name: byName,
};

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** What a cleanup would remove first, what is in order last. */
function rank({ problem }: MediaAuditRow): number {
  if (problem === null) return 2;
  return isStale(problem) ? 0 : 1;
}

function makeIndex({ scan, subjects, state, detail }: MediaAuditSurvey): Index {
  const files = new Map(scan.caches.map((cache) => [cache.cache, cache]));
  const found = new Map(scan.found.map(({ finding }) => [finding.cache, finding]));
  const rows = [...new Set([...files.keys(), ...found.keys()])].map((path): MediaAuditRow => {
    const [file, finding, subject] = [files.get(path), found.get(path), subjects.get(path)];
    return {
      path,
      name: subject?.name ?? finding?.name ?? null,
      media: subject?.media ?? null,
      problem: finding?.problem ?? null,
      rule: finding?.reason.rule ?? null,
      observed: finding?.reason.observed ?? null,
      bytes: file?.content.size ?? 0,
      writtenAt: file?.writtenAt ?? null,
    };
  });
  const figures: MediaAuditFigures = {
    state,
    detail,
    entries: scan.caches.length,
    bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
    stale: rows.filter(({ problem }) => problem !== null && isStale(problem)).length,
    byProblem: countByProblem(found.values()),
    troubles: scan.troubles.length,
  };
  return { rows, figures };
}
