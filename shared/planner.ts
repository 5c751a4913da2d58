import { dirname } from "node:path";

import { cleanupChange, findLegacy, repairChange } from "./caches/directory/changes.ts";
import { draftDirectory } from "./caches/directory/draft.ts";
import { scanDirectories } from "./caches/directory/scan.ts";
import type { Context } from "./context.ts";
import type { ChangeDraft, Draft } from "./draft.ts";
import { CacheOpsError } from "./errors.ts";
import { countByProblem } from "./finding.ts";
import { guardClock, guardLosses, guardRoots, type GuardedRoot } from "./guard.ts";
import { newId } from "./ids.ts";
import { assertConfined, resolveRoots } from "./library.ts";
import { thisOwner } from "./owner.ts";
import { inspectRoot, Passport, rootsOf } from "./passport.ts";
import type { Change, Plan, Skipped } from "./plan.ts";
import { loadPlan, savePlan } from "./plans.ts";
import { select, type Selection } from "./policy.ts";
import type { Found, Scan } from "./scan.ts";
import { parseDuration } from "./units.ts";
import { matches } from "./validate.ts";

/** What to plan. */
export interface PlanRequest {
  readonly operation: "cleanup" | "repair";
  /** Directories or names of libraries; none: all that are configured. */
  readonly paths: readonly string[];
  readonly selection: Selection;
  /** repair: also bring entries of the older format up to date. */
  readonly migrate: boolean;
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
  const roots = await lookAtRoots(await resolveRoots(request.paths, context), context);
  const atRoots = guardRoots(roots, selection.allow);
  const passports = roots.flatMap(({ state }) => (state.state === "healthy" ? [state.passport] : []));
  const expiredBefore =
    selection.problems.includes("expired") && selection.olderThanSeconds !== undefined
      ? context.now() - selection.olderThanSeconds * 1000
      : undefined;
  const scan = atRoots.length > 0 ? NOTHING : await scanDirectories(passports, context, { expiredBefore });
  const legacy = request.migrate ? await findLegacy(scan) : [];
  const all: Scan = { ...scan, found: [...scan.found, ...legacy] };
  const { selected, skipped } = select(all, selection, context.configuration, context.now());
  const { changes, impossible } = await changesFor(request, selected);
  if (atRoots.length === 0) rememberRoots(passports, context);
  const losses = passports.map(({ root }) => lossOf(root, scan, selected));
  const blocked = [
    ...atRoots,
    ...guardLosses(losses, selected.length, context.configuration, selection.allow),
    ...guardClock(scan, context.now(), context.configuration, selection.allow),
  ];
  const caches = scan.caches.map(({ cache, file, content }) => ({ cache, file, seen: content }));
  const chosen = new Set(selected);
  const kept = countByProblem(scan.found.filter((found) => !chosen.has(found)).map(({ finding }) => finding));
  const draft = await draftDirectory(numbered(changes), caches);
  return storePlan(
    draft,
    {
      operation: request.operation,
      passports,
      blocked,
      kept,
      skipped: [...skipped, ...impossible],
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
  const draft = await draftDirectory(numbered(changes), plan.caches);
  return storePlan(draft, { operation, passports, blocked, kept, skipped, troubles }, context);
}

function numbered(changes: readonly ChangeDraft[]): Change[] {
  return changes.map((change, index) => ({ ...change, id: index + 1 }));
}

/** Makes a plan of a draft and stores it. */
export function storePlan(
  draft: Draft,
  parts: Pick<Plan, "operation" | "passports" | "blocked" | "kept" | "skipped" | "troubles">,
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
      caches: new Set(draft.actions.map((action) => action.lock)).size,
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

const NOTHING: Scan = { caches: [], found: [], troubles: [] };

/** Inspects the roots, and recalls how they were when they were last in order. */
async function lookAtRoots(roots: readonly string[], context: Context): Promise<GuardedRoot[]> {
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
function rememberRoots(passports: readonly Passport[], context: Context): void {
  const state = context.state();
  const { boot } = thisOwner();
  state.write(() => {
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
    const idle = { path: dirname(item.finding.cache), expect: "idle" } as const;
    const found = selection.allow.includes("in_use") ? item : { ...item, evidence: [...item.evidence, idle] };
    const change = operation === "cleanup" ? cleanupChange(found) : await repairChange(found);
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
function lossOf(root: string, { caches, found }: Scan, selected: readonly Found[]) {
  const entries = caches.reduce((sum, cache) => (cache.root === root ? sum + cache.entries : sum), 0);
  const isLost = (item: Found) =>
    item.root === root && item.movedTo === undefined && item.finding.problem === "orphaned";
  return { root, entries, lost: selected.some(isLost) ? found.filter(isLost).length : 0 };
}
