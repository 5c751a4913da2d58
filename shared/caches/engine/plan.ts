import type { Context } from "../../context.ts";
import type { ChangeDraft } from "../../draft.ts";
import { CacheOpsError } from "../../errors.ts";
import { troubleOf, type Trouble } from "../../finding.ts";
import type { Skipped } from "../../plan.ts";
import { printable } from "../../printable.ts";
import type { CacheMeasurement } from "./container-measure.ts";
import { whyNotCleanable } from "./container-place.ts";
import type { SeenContainer } from "./container.ts";
import type { Idleness } from "./idle.ts";
import { objectionOf, openJudge, usersOf, type Users } from "./idle-judge.ts";
import { sayIdleness } from "./idle-words.ts";
import { lookAtEngines, lookInto, type EngineScene, type SeenCache } from "./look.ts";

/** Which caches are to be emptied. */
export interface EmptyRequest {
  /** Names of engine caches; unset: all. */
  readonly engines: readonly string[] | undefined;
  /** Names or ids of containers; unset: all. */
  readonly containers: readonly string[] | undefined;
}

/** What would be emptied, and what is left alone and why. */
export interface EmptyChoice {
  readonly changes: readonly ChangeDraft[];
  readonly skipped: readonly Skipped[];
  readonly troubles: readonly Trouble[];
}

/**
 * Chooses the caches that are emptied: measured and not empty, in a running container that can be written to and is
 * idle, as is everyone who shares the directory, for the grace period, which is waited for. Changes nothing.
 *
 * Throws `invalid_input` for an engine cache that is not configured, `not_found` for a container that none of them has,
 * `interrupted`, and, when no engine answers, why.
 */
export async function chooseEmptiable({ engines, containers }: EmptyRequest, context: Context): Promise<EmptyChoice> {
  const { scenes, troubles } = await lookAtEngines(engines, context);
  const isWanted = ({ id, name }: SeenContainer) => containers?.some((one) => one === id || one === name) ?? true;
  const seen = scenes.flatMap(({ caches }) => caches.map(({ container }) => container));
  const missing = containers?.find((one) => !seen.some(({ id, name }) => one === id || one === name));
  if (missing !== undefined && troubles.length === 0) {
    throw new CacheOpsError("not_found", `no engine cache has a container ${printable(missing)}`, {
      hint: "`engines` lists them all.",
    });
  }
  const choices = await Promise.all(
    scenes.map((scene) =>
      tryChoose({ ...scene, caches: scene.caches.filter(({ container }) => isWanted(container)) }, context),
    ),
  );
  return {
    changes: choices.flatMap(({ changes }) => changes),
    skipped: choices.flatMap(({ skipped }) => skipped),
    troubles: [...troubles, ...choices.flatMap((choice) => choice.troubles)],
  };
}

type Why = Pick<Skipped, "rule" | "observed">;
type Measured = SeenCache & {
  readonly path: string;
  readonly measurement: Extract<CacheMeasurement, { readonly state: "measured" }>;
};

/** An engine that falls silent meanwhile is a trouble of its own. */
async function tryChoose(scene: EngineScene, context: Context): Promise<EmptyChoice> {
  try {
    return await chooseIn(scene, context);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return { changes: [], skipped: [], troubles: [troubleOf(scene.cache.name, error)] };
  }
}

async function chooseIn(scene: EngineScene, context: Context): Promise<EmptyChoice> {
  const { cache, engine, caches } = scene;
  const changes: ChangeDraft[] = [];
  const skipped: Skipped[] = [];
  const skip = ({ container, path }: SeenCache, why: Why) => {
    const place = path ?? "";
    skipped.push({ cache: cacheName(scene, container, place), entry: path, name: container.name, ...why });
  };
  const worthIt: { readonly seen: Measured; readonly users: Users }[] = [];
  for (const seen of caches) {
    const fit = fitOrWhy(seen);
    if ("rule" in fit) skip(seen, fit);
    else worthIt.push({ seen: fit, users: await usersOf(fit.container, fit.path, cache, engine) });
  }
  if (worthIt.length === 0) return { changes, skipped, troubles: [] };
  const idleness = await openJudge(cache, engine, context).settle(worthIt.flatMap(({ users }) => users.watched));
  for (const { seen, users } of worthIt) {
    const objection = objectionOf(users, idleness, context.now());
    const own = idleness.get(seen.container.id);
    if (objection !== undefined || own === undefined) {
      skip(seen, { rule: objection?.rule ?? "unknown_use", observed: objection?.observed ?? null });
      continue;
    }
    // Waiting takes its time.
    const again = await lookAgain(seen, scene, context);
    if ("rule" in again) skip(seen, again);
    else changes.push(draftOf(again, scene, sayIdleness(own, context.now())));
  }
  return { changes, skipped, troubles: orchestratorTroubles(scene, idleness) };
}

/** The cache, if there is something to empty in it, or the rule by which it is left alone. */
function fitOrWhy(seen: SeenCache): Measured | Why {
  const { container, path, measurement } = seen;
  const { state } = container;
  if (state !== "running") return { rule: "not_running", observed: `the container is ${state}` };
  if (measurement.state === "unknown") return { rule: "cannot_be_measured", observed: measurement.reason };
  if (measurement.state === "absent" || path === null) {
    return { rule: "absent", observed: path === null ? "no cache directory was found" : "there is no such directory" };
  }
  if (measurement.entries === 0) return { rule: "already_empty", observed: "0 B" };
  const why = whyNotCleanable(container, path);
  return why === undefined ? { container, path, measurement } : { rule: "cannot_be_emptied", observed: why };
}

async function lookAgain(seen: Measured, scene: EngineScene, context: Context): Promise<Measured | Why> {
  try {
    const found = await lookInto(seen.container.id, scene, context);
    const now = found.find(({ path }) => path === seen.path);
    if (now === undefined) return { rule: "absent", observed: "it went away while it was watched" };
    const fit = fitOrWhy(now);
    if ("rule" in fit || fit.measurement.sha256 === seen.measurement.sha256) return fit;
    return { rule: "busy", observed: "busy: its contents changed while it was watched" };
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return { rule: error.code === "not_found" ? "absent" : "cannot_be_measured", observed: error.message };
  }
}

function draftOf({ container, path, measurement }: Measured, scene: EngineScene, observed: string): ChangeDraft {
  const { cache, engine } = scene;
  const { id, name, image, startedAt } = container;
  return {
    kind: "engine",
    cache: cacheName(scene, container, path),
    entry: path,
    name,
    problem: "leftover",
    reason: { rule: "idle", observed, threshold: cache.grace },
    does: "empty",
    evidence: [],
    container: {
      engine: cache.name,
      endpoint: engine.endpoint,
      container: { id, name, image, startedAt },
      path,
      user: cache.user ?? "",
      seen: { sha256: measurement.sha256, size: measurement.bytes, entries: measurement.entries },
    },
  };
}

function cacheName({ cache }: EngineScene, { name }: SeenContainer, path: string): string {
  return path === "" ? `${cache.name}/${name}` : `${cache.name}/${name}:${path}`;
}

/** What kept an orchestrator from being heard: once, however many containers it is about. */
export function orchestratorTroubles(
  { cache }: Pick<EngineScene, "cache">,
  idleness: ReadonlyMap<string, Idleness>,
): Trouble[] {
  const { name, orchestrator } = cache;
  if (orchestrator === undefined) return [];
  const failure = [...idleness.values()].find((one) => one.state === "unknown" && one.code !== "not_found");
  if (failure?.state !== "unknown") return [];
  return [troubleOf(name, { code: failure.code, message: failure.why, hint: failure.hint })];
}
