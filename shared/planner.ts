import { narrowDraft } from "./archive/draft.ts";
import { chooseRoots, draftChanges, joinScans, kindOf, type CacheKind, type KindRoots } from "./cache.ts";
import type { EvictionRequest } from "./caches/managed/scan.ts";
import { findWitnesses } from "./caches/probe/media-audit/witnesses.ts";
import type { Context } from "./context.ts";
import type { ChangeDraft, Draft } from "./draft.ts";
import { CacheOpsError } from "./errors.ts";
import { countByProblem, type Problem } from "./finding.ts";
import { guardClock, guardLosses, guardRoots, type GuardedRoot } from "./guard.ts";
import { newId } from "./ids.ts";
import { assertConfined } from "./library.ts";
import { thisOwner } from "./owner.ts";
import { inspectRoot, Passport, rootsOf } from "./passport.ts";
import { type Change } from "./change.ts";
import { cacheOf, type Plan, type Skipped } from "./plan.ts";
import { keepForNarrowed } from "./planned-blob.ts";
import { loadPlan, savePlan } from "./plans.ts";
import { select, type Selection } from "./policy.ts";
import type { Depth, Found, Scan } from "./scan.ts";
import { parseDuration } from "./units.ts";
import { matches } from "./validate.ts";

/** What to plan. */
export interface PlanRequest {
  readonly operation: "cleanup" | "repair" | "evict";
  /** Directories or names of libraries; none: all that are configured. */
  readonly paths: readonly string[];
  /** Which kinds of cache; what that means for the paths says {@link chooseRoots}. */
  readonly kinds?: readonly CacheKind["kind"][] | undefined;
  readonly selection: Selection;
  /** repair: also bring entries of the older format up to date. */
  readonly migrate: boolean;
  /** cleanup: how closely to look; by names unless said, and in full where the problems ask for it. */
  readonly depth?: Depth | undefined;
  /** evict: what is to go beyond what the settings of the managed caches say. */
  readonly eviction?: EvictionRequest | undefined;
}

/** A plan and the digest of its content. */
export interface MadePlan {
  readonly plan: Plan;
  readonly digest: string;
}

/**
 * Makes a plan: looks at the roots, judges every cache, chooses, and stores what would be done. Writes nothing outside
 * the state directory. A guard that objects makes the plan `blocked`; it can be read, but not applied.
 */
export async function makePlan(request: PlanRequest, context: Context): Promise<MadePlan> {
  const { selection } = request;
  // Directories of managed caches go by `evict` alone.
  const kinds = request.kinds ?? (request.paths.length === 0 ? (["directory", "probe"] as const) : undefined);
  const chosenRoots = await chooseRoots(request.paths, kinds, context);
  const roots = await lookAtRoots([...new Set(chosenRoots.flatMap((part) => part.roots))], context);
  const witnesses = await healthyWitnesses(chosenRoots, context);
  const atRoots = guardRoots([...roots, ...witnesses], selection.allow);
  const passports = healthyOf(roots);
  const expiredBefore =
    selection.problems.includes("expired") && selection.olderThanSeconds !== undefined
      ? context.now() - selection.olderThanSeconds * 1000
      : undefined;
  const isByName = request.operation === "cleanup" && selection.problems.every(isToldByNames);
  const depth = isByName ? (request.depth ?? "names") : "full";
  const scans =
    atRoots.length > 0
      ? []
      : await scanKinds(chosenRoots, passports, { expiredBefore, depth, eviction: request.eviction }, context);
  const scan = joinScans(scans.map((part) => part.scan));
  const legacy: Found[] = [];
  if (request.migrate) for (const { kind, scan } of scans) legacy.push(...(await kind.findLegacy(scan)));
  const all: Scan = { ...scan, found: [...scan.found, ...legacy] };
  const { selected, skipped } = select(all, selection, context.configuration, context.now());
  const { changes, impossible } = await changesFor(request, selected);
  if (atRoots.length === 0) rememberRoots([...passports, ...healthyOf(witnesses)], context);
  const losses = passports.map(({ root }) => lossOf(root, scan, selected));
  const blocked = [
    ...atRoots,
    ...guardLosses(losses, selected.length, context.configuration, selection.allow),
    ...guardClock(
      [...scan.caches, ...(scan.inOrder ?? []).map(({ newest }) => newest)],
      context.now(),
      context.configuration,
      selection.allow,
    ),
  ];
  const caches = scan.caches.map(({ cache, file, content }) => ({ cache, file, seen: content }));
  const chosen = new Set(selected);
  const kept = countByProblem(scan.found.filter((found) => !chosen.has(found)).map(({ finding }) => finding));
  const draft = await draftChanges(numbered(changes), caches);
  return storePlan(
    draft,
    {
      operation: request.operation,
      passports,
      blocked,
      kept,
      skipped: [...(scan.skipped ?? []), ...skipped, ...impossible],
      troubles: [...scan.troubles],
    },
    context,
  );
}

/**
 * Makes a plan of only some changes of another one, without judging anew: for a reviewer who keeps the rest.
 * Without numbers: the plan itself, to look at it again.
 *
 * Throws `invalid_input` for numbers the plan does not have, `stale_plan` when it was used or has expired.
 */
export async function narrowPlan(id: string, only: readonly number[] | undefined, context: Context): Promise<MadePlan> {
  const { plan, digest, run } = loadPlan(context.state(), id);
  await assertConfined(rootsOf(plan.passports), context);
  if (only === undefined) return { plan, digest };
  if (run !== null || Date.parse(plan.expiresAt) <= context.now()) {
    throw new CacheOpsError(run === null ? "expired_plan" : "stale_plan", `plan ${id} was used or has expired`, {
      hint: "Make a new plan.",
    });
  }
  const unknown = only.filter((number) => !plan.changes.some((change) => change.id === number));
  if (unknown.length > 0) {
    throw new CacheOpsError("invalid_input", `plan ${id} has no change ${unknown.join(", ")}`, {
      hint: `Its changes are numbered 1 to ${plan.changes.length}.`,
    });
  }
  const { operation, passports, blocked, kept, skipped, troubles } = plan;
  const changes = plan.changes.filter((change) => only.includes(change.id));
  const parts = { operation, passports, blocked, kept, skipped, troubles };
  if (operation === "restore") return storeNarrowed(plan, only, parts, context);
  const draft = await draftChanges(numbered(changes), plan.caches);
  return storePlan(draft, parts, context);
}

function numbered(changes: readonly ChangeDraft[]): Change[] {
  return changes.map((change, index) => ({ ...change, id: index + 1 }));
}

/** A plan of some of the changes of a restore: its actions do not depend on each other, and its bytes are kept. */
function storeNarrowed(
  plan: Plan,
  only: readonly number[],
  parts: Parameters<typeof storePlan>[1],
  context: Context,
): MadePlan {
  const id = newId("plan");
  const until = context.now() + parseDuration(context.configuration.planExpiry) * 1000;
  keepForNarrowed(context.state(), plan.id, id, until);
  return storePlan(narrowDraft(plan, only), { ...parts, id }, context);
}

/** Makes a plan of a draft and stores it. */
export function storePlan(
  draft: Draft,
  parts: Pick<Plan, "operation" | "passports" | "blocked" | "kept" | "skipped" | "troubles"> &
    Partial<Pick<Plan, "id">>,
  context: Context,
): MadePlan {
  const plan: Plan = {
    version: 1,
    id: newId("plan"),
    ...parts,
    createdAt: new Date(context.now()).toISOString(),
    expiresAt: new Date(context.now() + parseDuration(context.configuration.planExpiry) * 1000).toISOString(),
    boot: thisOwner().boot,
    status: parts.blocked.length > 0 ? "blocked" : draft.actions.length > 0 ? "ready" : "empty",
    totals: {
      entries: draft.changes.length,
      caches: new Set(draft.actions.map(cacheOf)).size,
      bytes: draft.bytes,
      byProblem: countByProblem(draft.changes),
    },
    changes: [...draft.changes],
    actions: [...draft.actions],
    caches: [...draft.caches],
    skipped: [...parts.skipped, ...draft.skipped],
  };
  return { plan, digest: savePlan(context.state(), plan) };
}

/** Problems that show in the names in a directory, so that media that is there under its name need not be looked at. */
function isToldByNames(problem: Problem): boolean {
  return problem === "orphaned" || problem === "superseded" || problem === "leftover";
}

/** Scans the chosen caches, each kind in its own roots. */
async function scanKinds(
  chosen: readonly KindRoots[],
  passports: readonly Passport[],
  options: Parameters<CacheKind["scan"]>[2],
  context: Context,
): Promise<{ readonly kind: CacheKind; readonly scan: Scan }[]> {
  const scans: { readonly kind: CacheKind; readonly scan: Scan }[] = [];
  for (const { kind, roots } of chosen) {
    const own = passports.filter(({ root }) => roots.includes(root));
    scans.push({ kind, scan: await kind.scan(own, context, options) });
  }
  return scans;
}

/**
 * Libraries that are not scanned, but that entries are held against. One that is not in order makes its entries
 * unreachable and blocks nothing; one that is another place than it was has to be spoken about first.
 */
async function healthyWitnesses(chosen: readonly KindRoots[], context: Context): Promise<GuardedRoot[]> {
  if (!chosen.some(({ kind }) => kind.isJudgedByLibraries)) return [];
  const scanned = new Set(chosen.flatMap(({ roots }) => roots));
  const roots = (await findWitnesses(context)).map(({ root }) => root).filter((root) => !scanned.has(root));
  return (await lookAtRoots(roots, context)).filter(({ state }) => state.state === "healthy");
}

function healthyOf(roots: readonly GuardedRoot[]): Passport[] {
  return roots.flatMap(({ state }) => (state.state === "healthy" ? [state.passport] : []));
}

/** Inspects the roots, and recalls how they were when they were last in order. */
export async function lookAtRoots(roots: readonly string[], context: Context): Promise<GuardedRoot[]> {
  const state = context.state();
  const { boot } = thisOwner();
  const limit = parseDuration(context.configuration.timeLimit);
  return Promise.all(
    roots.map(async (root) => {
      const row = state.get("SELECT passport, boot FROM roots WHERE path = ?", root);
      const passport: unknown = typeof row?.["passport"] === "string" ? JSON.parse(row["passport"]) : undefined;
      const remembered = matches(Passport, passport)
        ? { passport, since: row?.["boot"] === boot ? ("boot" as const) : ("ever" as const) }
        : undefined;
      return { root, state: await inspectRoot(root, limit), remembered };
    }),
  );
}

/** Remembers roots that were found in order, to notice when another disk stands in their place. */
export function rememberRoots(passports: readonly Passport[], context: Context): void {
  const state = context.state();
  const { boot } = thisOwner();
  state.note(() => {
    for (const passport of passports) {
      state.run(
        "INSERT INTO roots (path, passport, boot) VALUES (?, ?, ?) ON CONFLICT (path) DO UPDATE SET passport = excluded.passport, boot = excluded.boot",
        passport.root,
        JSON.stringify(passport),
        boot,
      );
    }
  });
}

async function changesFor({ operation, selection }: PlanRequest, selected: readonly Found[]) {
  const changes: ChangeDraft[] = [];
  const impossible: Skipped[] = [];
  for (const item of selected) {
    const kind = kindOf(item.finding);
    const idle = selection.allow.includes("in_use") ? [] : kind.idle(item);
    const found = { ...item, evidence: [...item.evidence, ...idle] };
    const change = operation === "repair" ? await kind.repair(found) : kind.cleanup(found);
    if ("does" in change) changes.push(change);
    else {
      const { cache, entry, name, reason } = found.finding;
      impossible.push({ cache, entry, name, rule: change.rule, observed: reason.observed });
    }
  }
  return { changes, impossible };
}

/**
 * What a root has lost: entries whose media is gone and was found nowhere else. As soon as one of them is to be removed
 * all of them count, also those that filters leave for another time, or a lost disk would be forgotten bit by bit.
 */
function lossOf(root: string, { caches, inOrder = [], found }: Scan, selected: readonly Found[]) {
  const entries = [...caches, ...inOrder].reduce((sum, one) => (one.root === root ? sum + one.entries : sum), 0);
  const isLost = (item: Found) =>
    item.root === root && item.movedTo === undefined && item.finding.problem === "orphaned";
  return { root, entries, lost: selected.some(isLost) ? found.filter(isLost).length : 0 };
}
