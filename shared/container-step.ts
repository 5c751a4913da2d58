import { assertSameContainer, performContainerClean, type ContainerCleaned } from "./caches/engine/container-clean.ts";
import type { ContainerEngine } from "./caches/engine/container-api.ts";
import { measureDirectory, type CacheMeasurement } from "./caches/engine/container-measure.ts";
import { objectionOf, openJudge, usersOf, type Objection } from "./caches/engine/idle-judge.ts";
import { recordCleanup } from "./caches/engine/ledger.ts";
import { engineCacheNamed, openEngine } from "./caches/engine/look.ts";
import type { EngineCache } from "./caches/engine/settings.ts";
import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import type { Content } from "./file.ts";
import type { HeldLock } from "./lock.ts";
import type { RemoteAction } from "./plan.ts";
import { withRemoteLock } from "./remote-lock.ts";
import type { RemoteOutcome } from "./remote-step.ts";
import { parseDuration } from "./units.ts";

/*
 * The step that empties a cache directory in a container. Whether its engine is idle is asked once more right before
 * anything goes, and again afterwards: what began meanwhile is reported, and such a cleaning is no success.
 */

type EmptyAction = Extract<RemoteAction, { readonly type: "empty_container_cache" }>;

/** Looks whether the container is the one of the plan. Throws `stale_plan` when it is not; changes nothing. */
export async function prepareContainer({ container }: EmptyAction, context: Context): Promise<void> {
  engineCacheNamed(container.engine, context);
  await assertSameContainer(container, await openEngine(container.endpoint, context));
}

/**
 * Empties the cache directory, measures it before and after, and writes the cleanup down. Throws where nothing was
 * removed. What was not emptied whole, could not be measured, or was in use before it was over is `partial`.
 */
export async function performContainer(action: EmptyAction, context: Context): Promise<RemoteOutcome> {
  const { container } = action;
  const cache = engineCacheNamed(container.engine, context);
  const engine = await openEngine(container.endpoint, context);
  return locked(action, context, async (lock) => {
    const judge = makeQuestion(action, cache, engine, context);
    const assertIdle = async () => {
      const objection = await judge("settle");
      if (objection !== undefined) throw inUse(objection);
      lock.assertHeld();
      await context.fence?.();
    };
    // First what may take the whole grace period, then what must still be so after it.
    await assertIdle();
    const limitSeconds = parseDuration(cache.commandLimit);
    const cleaned = await performContainerClean(container, engine, {
      signal: context.signal,
      limitSeconds,
      assertIdle,
    });
    const afterwards = await afterwardsOf(judge);
    const unnoted = note(action, cleaned, context);
    return outcomeOf(cleaned, [...shortcomings(cleaned, container.path), ...afterwards, ...unnoted]);
  });
}

/**
 * How far the step came whose process died, as the directory is now: empty, or as planned, and then it is done again.
 * Otherwise nobody can tell any more whose doing that is, so it is `partial`.
 */
export async function examineContainer(action: EmptyAction, context: Context): Promise<"again" | RemoteOutcome> {
  try {
    return await locked(action, context, async () => examine(action, context));
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    const message = `the run was interrupted, and how far it came is not known: ${error.message}`;
    return { state: "partial", before: null, after: null, code: error.code, message };
  }
}

async function examine({ container, file }: EmptyAction, context: Context): Promise<"again" | RemoteOutcome> {
  const { engine: name, endpoint, path, user, seen } = container;
  const cache = engineCacheNamed(name, context);
  const engine = await openEngine(endpoint, context);
  const found = await assertSameContainer(container, engine);
  const options = { signal: context.signal, limitSeconds: parseDuration(cache.commandLimit), user };
  const now = await measureDirectory(engine, found, path, options);
  if (now.state !== "measured") {
    const why = now.state === "absent" ? "it is not there any more" : now.reason;
    throw new CacheOpsError("unavailable", `${file} cannot be measured: ${why}`, { hint: "Look at it by `engines`." });
  }
  if (now.sha256 === seen.sha256 && now.bytes === seen.size) return "again";
  const sizes = { before: { sha256: seen.sha256, size: seen.size }, after: contentOf(now) };
  if (now.entries > 0) {
    const message = `the run was interrupted; ${now.entries} of ${seen.entries} entries are there now`;
    return { state: "partial", ...sizes, code: "interrupted", message };
  }
  const cleanup = { at: context.now(), bytesBefore: seen.size, bytesAfter: 0, outcome: "complete" } as const;
  recordCleanup(context.state(), { engine: name, container: container.container.name, path }, cleanup);
  return { state: "done", ...sizes, code: null, message: null };
}

async function locked<T>(action: EmptyAction, context: Context, work: (lock: HeldLock) => Promise<T>): Promise<T> {
  const { endpoint, container, path } = action.container;
  return withRemoteLock(`engine ${endpoint} ${container.id} ${path}`, action.file, context, work);
}

/** Asks what keeps the directory from being emptied: waiting the grace period out, or by one look after it was idle. */
type Question = (how: "settle" | "look") => Promise<Objection | undefined>;

function makeQuestion(
  { container }: EmptyAction,
  cache: EngineCache,
  engine: ContainerEngine,
  context: Context,
): Question {
  const judge = openJudge(cache, engine, context);
  return async (how) => {
    const users = await usersOf(await engine.inspect(container.container.id), container.path, cache, engine);
    const { watched } = users;
    const idleness = how === "settle" ? await judge.settle(watched) : await judge.look(watched, "was_idle");
    return objectionOf(users, idleness, context.now());
  };
}

function inUse({ code, observed }: Objection): CacheOpsError {
  return new CacheOpsError(code, observed, {
    hint: "Nothing was removed. Make a new plan when nothing plays there.",
  });
}

/** What kept a step from being done: a code, and a message for a reader. */
interface Shortcoming {
  readonly code: string;
  readonly message: string;
}

/** After the removal nothing is thrown any more: what went, went. */
async function afterwardsOf(question: Question): Promise<Shortcoming[]> {
  try {
    const objection = await question("look");
    if (objection === undefined) return [];
    const { code, observed, rule } = objection;
    const what = rule === "unknown_use" ? "whether it stayed idle meanwhile is not known" : "it did not stay idle";
    return [{ code, message: `${what}: ${observed}` }];
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    const { code, message } = error;
    return [{ code, message: `whether it stayed idle meanwhile is not known: ${message}` }];
  }
}

function shortcomings({ state, before, after, complaint }: ContainerCleaned, path: string): Shortcoming[] {
  if (state === "complete") return [];
  const because = complaint === null ? "" : `: ${complaint}`;
  if (after.state !== "measured") {
    const unknown = after.state === "absent" ? `${path} is not there any more` : after.reason;
    return [{ code: "unavailable", message: `the removal began, and what is left is not known: ${unknown}${because}` }];
  }
  const code = /permission|not permitted|read-only/i.test(complaint ?? "") ? "forbidden" : "unavailable";
  return [{ code, message: `${after.entries} of ${before.entries} entries are there now${because}` }];
}

/** Writes the cleanup down; that it could not be is told, too. */
function note({ container }: EmptyAction, cleaned: ContainerCleaned, { state, now, log }: Context): Shortcoming[] {
  const { engine, path } = container;
  const { before, after, freedBytes, state: outcome } = cleaned;
  const { name } = container.container;
  log("emptied an engine cache", { engine, container: name, path, freedBytes, outcome });
  const bytesAfter = after.state === "measured" ? after.bytes : null;
  try {
    const cleanup = { at: now(), bytesBefore: before.bytes, bytesAfter, outcome };
    recordCleanup(state(), { engine, container: name, path }, cleanup);
    return [];
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    return [{ code: error.code, message: `the cleanup could not be noted: ${error.message}` }];
  }
}

function outcomeOf({ before, after }: ContainerCleaned, short: readonly Shortcoming[]): RemoteOutcome {
  const [first] = short;
  // Where it is not known what is left, nothing counts as freed.
  const sizes =
    after.state === "measured" ? { before: contentOf(before), after: contentOf(after) } : { before: null, after: null };
  if (first === undefined) return { state: "done", ...sizes, code: null, message: null };
  const message = short.map((one) => one.message).join("; ");
  return { state: "partial", ...sizes, code: first.code, message };
}

function contentOf({ sha256, bytes }: Extract<CacheMeasurement, { readonly state: "measured" }>): Content {
  return { sha256, size: bytes };
}
