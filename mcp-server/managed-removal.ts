import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError, runOfPlan, type Context } from "@cache-ops/shared";

import type { Registered } from "./managed-answers.ts";
import type { Runner } from "./runner.ts";
import { answerFailure, answerJson, answerOutput } from "./http-answer.ts";
import { stoppable, type Output, type Work } from "./work.ts";

/** A directory of a managed cache. */
export type Directory = Readonly<Record<"cache" | "path", string>>;

/**
 * Removes exactly one directory: a plan for it, applied at once, since the request says what it wants in so many words.
 * The answer names the run and how to take it back. What a guard or a rule forbids stays, and is no success.
 */
export async function removeDirectory({ cache, path }: Directory, context: Context, runner: Runner): Promise<Response> {
  await registeredInfo({ cache, path }, context, runner);
  const wanted = { cache: [cache], paths: [path], problem: ["oversize"], detail: "full" };
  const plan = await runner.run("evict", wanted, context);
  if (plan["status"] === "blocked") return answerOutput(runner.named("evict"), plan);
  if (plan["status"] !== "ready" || !isOnlyAbout(path, plan)) throw keptError(path, plan);
  const report = await runner.run("apply", { plan: plan["plan"], digest: plan["digest"] }, context);
  const outcome = runner.named("apply").outcome(report);
  if (outcome !== "ok")
    throw refusedError(path, report, outcome === "partial" || outcome === "stale" ? "blocked" : outcome);
  return answerJson(200, {
    message: `Directory ${path} removed from cache and disk successfully`,
    run: report["run"],
    reclaimed_bytes: report["reclaimedBytes"],
    undo: await undoOf(report, context, runner),
  });
}

/** Whether a plan, with every change listed, does something to this directory and nothing to any other. */
function isOnlyAbout(path: string, { changes }: Output): boolean {
  const paths = (changes as readonly { readonly tracked?: { readonly path: string } }[]).map(
    (each) => each.tracked?.path,
  );
  return paths.length > 0 && paths.every((each) => each === path);
}

/** What is known of a directory that is registered and there. Throws `not_found` for any other. */
export async function registeredInfo({ cache, path }: Directory, context: Context, { run }: Runner) {
  const output = await run("info", { cache, path }, context);
  const { directory: entry, disk } = output as {
    readonly directory: Registered | null;
    readonly disk: { readonly bytes: number };
  };
  if (entry !== null) return { entry, disk };
  throw new CacheOpsError("not_found", `${path} is not registered in ${cache}`, {
    hint: "Register it first, by POST.",
  });
}

/** How to take a run back over REST; `null` when that is not possible. */
async function undoOf(report: Output, context: Context, { run }: Runner): Promise<Output | null> {
  const { runs } = (await run("history", { run: report["run"] }, context)) as { readonly runs: readonly Output[] };
  const line = runs[0];
  if (line?.["canUndo"] !== true) return null;
  return {
    post: "/api/v1/undo",
    body: { run: report["run"], acknowledge: line["acknowledge"] },
    until: report["undoUntil"],
  };
}

/** Rules that say that something is in use now, and may not be later. */
const BUSY = new Set(["open_files", "lock_file", "unfinished_download", "recent_write", "locked"]);

function keptError(path: string, { skipped, errors }: Output): CacheOpsError {
  const rules = (skipped as readonly { readonly rule: string }[]).map(({ rule }) => rule);
  const troubles = (errors as readonly { readonly message: string }[]).map(({ message }) => message);
  const isBusy = rules.some((rule) => BUSY.has(rule));
  const why = [...new Set([...rules, ...troubles])].join(", ");
  return new CacheOpsError(isBusy ? "locked" : "blocked", `${path} stays: ${why || "there is nothing to remove"}`, {
    hint: isBusy ? "Try again when it is no longer in use." : "Nothing was changed. Look at it with GET.",
  });
}

function refusedError(path: string, { refused }: Output, code: CacheOpsError["code"]): CacheOpsError {
  const [first] = refused as readonly { readonly message: string }[];
  return new CacheOpsError(code, `${path} was not removed: ${first?.message ?? "the run was stopped"}`, {
    hint: "Nothing is reported as done that was not. Look at it with GET, and try again.",
  });
}

/** How often, and for how long at most, a run that is about to begin is waited for: others may be before it. */
const LOOK_MS = 5;
const PATIENCE_MS = 2000;

/** Plans an eviction and applies it in the background; the answer names the run to look at, once it has begun. */
export async function cleanUp(cache: string, context: Context, runner: Runner, work: Work): Promise<Response> {
  const plan = await runner.run("evict", { cache: [cache] }, context);
  if (plan["status"] === "blocked") return answerOutput(runner.named("evict"), plan);
  const id = String(plan["plan"]);
  if (plan["status"] === "empty") return answerJson(200, { message: "Nothing to clean up", plan: id, run: null });
  const background: { isOver: boolean; failure?: unknown } = { isOver: false };
  // Goes on when the caller goes away; whoever looks after the service hears of an error through its observers.
  const done = stoppable(work, undefined, (signal) => runner.run("apply", { plan: id }, { ...context, signal }))
    .catch((error: unknown) => (background.failure = error))
    .finally(() => (background.isOver = true));
  const deadline = performance.now() + PATIENCE_MS;
  const runOf = () => runOfPlan(context.state(), id);
  while (runOf() === null && !background.isOver && performance.now() < deadline) {
    await Promise.race([done, delay(LOOK_MS)]);
  }
  const run = runOf();
  if (run === null && background.isOver) return answerFailure(background.failure, runner.named("apply"));
  const message = `Cache cleanup ${run === null ? "waits for its turn" : "started"} in background`;
  const at = run === null ? "/api/v1/history" : `/api/v1/history?run=${run}`;
  return answerJson(202, { message, plan: id, run }, { location: at });
}
