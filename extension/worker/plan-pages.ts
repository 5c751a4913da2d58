import { basename, dirname, join, relative } from "node:path";

import {
  applySentence,
  isRemoteAction,
  rootsOf,
  type Change,
  type Context,
  type Plan,
  type Run,
  type StoredPlan,
  isInside,
} from "@cache-ops/shared";

import type { Page, PlanGroup, PlannedFile, PlanOverview } from "../protocol.ts";

/** A plan for the review: what it adds up to, and a page of its directories. */
export function overviewOf(
  { plan, digest }: StoredPlan,
  { offset, limit }: { readonly offset: number; readonly limit: number },
  { configuration }: Context,
): PlanOverview {
  const groups = [...Map.groupBy(plan.changes, groupOf)];
  const { freed, quarantined } = bytesByChange(plan);
  const forGood = plan.changes.filter(({ does }) => does === "delete" || does === "purge");
  const rules = Map.groupBy(plan.skipped, ({ rule }) => rule);
  return {
    plan: plan.id,
    digest,
    operation: plan.operation,
    status: plan.status,
    expiresAt: plan.expiresAt,
    acknowledge: applySentence(plan, configuration),
    entries: plan.totals.entries,
    caches: plan.totals.caches,
    bytes: plan.totals.bytes,
    quarantinedBytes: [...quarantined.values()].reduce((sum, bytes) => sum + bytes, 0),
    forGood: { directories: forGood.length, bytes: sumOf(forGood, freed) },
    losesRemote: plan.changes.some(({ does }) => does === "empty" || does === "clear"),
    groups: {
      total: groups.length,
      rows: groups.slice(offset, offset + limit).map(([cache, changes]): PlanGroup => ({
        cache,
        label: groupLabel(cache, changes[0], plan),
        ids: changes.map(({ id }) => id),
        bytes: sumOf(changes, freed),
        quarantinedBytes: sumOf(changes, quarantined),
        kind: changes[0]?.kind ?? "directory",
      })),
    },
    skipped: [...rules].map(([rule, items]) => ({
      rule,
      count: items.length,
      examples: items
        .slice(0, EXAMPLES)
        .map(({ name, entry, cache, observed }) => ({ what: name ?? entry ?? cache, observed })),
    })),
    blocked: plan.blocked.map((blocked) => ({
      guard: blocked.guard,
      path: blocked.path,
      message: blocked.message,
      observed: blocked.observed,
      advice: blocked.advice,
      override: blocked.override,
    })),
    troubles: plan.troubles.map(({ path, message }) => ({ path, message })),
  };
}

/** How many of those that one rule left alone are named. */
const EXAMPLES = 5;

/** The changes with these numbers. */
export function changesOf({ changes }: Plan, ids: readonly number[]): readonly Change[] {
  const wanted = new Set(ids);
  return changes.filter(({ id }) => wanted.has(id));
}

/** The files a plan writes or removes, each once; with `change` only those that this change is about. */
export function filesOf({ actions }: Plan, limit: number, change: number | undefined): Page<PlannedFile> {
  const byFile = Map.groupBy(
    actions.filter((action) => action.type === "write_file" || action.type === "remove_file"),
    ({ file }) => file,
  );
  const files = [...byFile].map(([file, steps]): PlannedFile => {
    const [first, last] = [steps[0], steps.at(-1)];
    return {
      file,
      changes: steps.flatMap((step) => step.changes),
      isNew: first?.seen === null,
      isRemoved: last?.type === "remove_file",
    };
  });
  const wanted = change === undefined ? files : files.filter(({ changes }) => changes.includes(change));
  return { total: wanted.length, rows: wanted.slice(0, limit) };
}

/** The directories whose caches a run changed, as paths below the roots that were given. */
export function directoriesOf({ work }: Run): string[] {
  // What lies in a container or on a server is in no directory.
  const local = work.actions.filter((action) => !isRemoteAction(action));
  const places = local.map(({ lock }) => {
    const directory = dirname(lock);
    const passport = work.passports.find(({ realPath }) => isInside(realPath, directory));
    return passport === undefined ? directory : join(passport.root, relative(passport.realPath, directory));
  });
  return [...new Set(places)];
}

/** Bytes that the actions free, and that go to quarantines, by the number of the first change each carries out. */
function bytesByChange({ actions }: Plan) {
  const [freed, quarantined] = [new Map<number, number>(), new Map<number, number>()];
  for (const action of actions) {
    const [id] = action.changes;
    if (id === undefined || action.type === "release_lock") continue;
    if (action.type === "empty_container_cache") freed.set(id, action.container.seen.size);
    if (isRemoteAction(action)) continue;
    const bytes = (action.seen?.size ?? 0) - (action.type === "write_file" ? action.result.size : 0);
    if (action.type === "quarantine_directory") quarantined.set(id, bytes);
    else if (action.type === "unpack_directory") freed.set(id, -action.holds.bytes);
    else if (FREEING.has(action.type)) freed.set(id, (freed.get(id) ?? 0) + bytes);
  }
  return { freed, quarantined };
}

const FREEING: ReadonlySet<string> = new Set(["write_file", "remove_file", "remove_directory", "remove_pack"]);

function sumOf(changes: readonly Change[], bytes: ReadonlyMap<number, number>): number {
  return changes.reduce((sum, { id }) => sum + (bytes.get(id) ?? 0), 0);
}

/**
 * What a change is shown under: its cache. Each file of media-audit's cache is one by itself: they are shown by the
 * directory they lie in; containers by their engine cache, and what is on a server by its name.
 */
function groupOf({ kind, cache, container, jellyfin }: Change): string {
  if (container !== undefined) return `Engine cache ${container.engine}`;
  if (jellyfin !== undefined) return `Jellyfin server ${jellyfin.server}`;
  return kind === "probe" ? dirname(cache) : cache;
}

function groupLabel(cache: string, first: Change | undefined, plan: Plan): string {
  const own = first?.tracked?.cache ?? first?.container?.engine ?? first?.jellyfin?.server;
  if (own !== undefined) return own;
  return first?.kind === "probe" ? join(basename(dirname(cache)), basename(cache)) : labelOf(cache, plan);
}

function labelOf(cache: string, { passports }: Plan): string {
  const directory = dirname(cache);
  const root = rootsOf(passports).find((path) => isInside(path, directory));
  return root === undefined ? directory : relative(root, directory) || ".";
}
