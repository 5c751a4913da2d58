import PQueue from "p-queue";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { troubleOf, type Trouble } from "../../finding.ts";
import { printable } from "../../printable.ts";
import { parseDuration } from "../../units.ts";
import { openContainerEngine, type ContainerEngine } from "./container-api.ts";
import { findCaches } from "./container-cache.ts";
import type { CacheMeasurement } from "./container-measure.ts";
import type { SeenContainer } from "./container.ts";
import type { EngineCache } from "./settings.ts";

/** A container of an engine cache, and a cache directory in it. */
export interface SeenCache {
  readonly container: SeenContainer;
  /** Null: there is none, or it could not be told where. */
  readonly path: string | null;
  readonly measurement: CacheMeasurement;
}

/** An engine cache whose engine answered. */
export interface EngineScene {
  readonly cache: EngineCache;
  readonly engine: ContainerEngine;
  /** By container, each in as many lines as it has cache directories, and at least one. */
  readonly caches: readonly SeenCache[];
}

/** What was seen of some engine caches, and those that could not be looked at. */
export interface EngineLook {
  readonly scenes: readonly EngineScene[];
  readonly troubles: readonly Trouble[];
}

/** Containers of one engine that are looked into at once. */
const AT_ONCE = 4;

/**
 * Looks at engine caches, all of them at once; no names: all that are configured. One that does not answer is a trouble,
 * and the others go on.
 *
 * Throws `invalid_input` for a name that is not configured, `interrupted`, and, when none answers, why the first does not.
 */
export async function lookAtEngines(names: readonly string[] | undefined, context: Context): Promise<EngineLook> {
  const chosen = chosenEngines(names, context);
  const looks = await Promise.all(chosen.map(async (cache) => tryLook(cache, context)));
  const failures = looks.filter((look) => "error" in look);
  const [first] = failures;
  if (first !== undefined && failures.length === looks.length) throw first.error;
  return {
    scenes: looks.filter((look) => "engine" in look),
    troubles: failures.map(({ cache, error }) => troubleOf(cache.name, error)),
  };
}

/** The settings of an engine cache by its name. Throws `not_found` when it is not configured any more. */
export function engineCacheNamed(name: string, { configuration }: Pick<Context, "configuration">): EngineCache {
  const cache = configuration.engines.find((known) => known.name === name);
  if (cache !== undefined) return cache;
  throw new CacheOpsError("not_found", `the engine cache ${printable(name)} is not configured any more`, {
    hint: "Put it back into the configuration, or make a new plan.",
  });
}

/** The container engine of an engine cache. Throws `unavailable` with what was tried, `forbidden`, `interrupted`. */
export async function openEngine(
  endpoint: string | undefined,
  { configuration, signal }: Pick<Context, "configuration" | "signal">,
): Promise<ContainerEngine> {
  return openContainerEngine({ endpoint, signal, limitSeconds: parseDuration(configuration.timeLimit) });
}

/**
 * Looks for the cache directories of one container. What kept them from being seen is in the result. Throws `not_found`
 * when it is gone, and `interrupted`.
 */
export async function lookInto(
  id: string,
  { cache, engine }: Pick<EngineScene, "cache" | "engine">,
  { signal }: Pick<Context, "signal">,
): Promise<readonly SeenCache[]> {
  const container = await engine.inspect(id);
  const options = { signal, limitSeconds: parseDuration(cache.commandLimit), user: cache.user ?? "" };
  try {
    const found = await findCaches(engine, container, cache, options);
    if (found.length === 0) return [{ container, path: null, measurement: { state: "absent" } }];
    return found.map(({ path, measurement }) => ({ container, path, measurement }));
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    const path = cache.cachePath ?? container.labels[cache.cachePathLabel ?? ""] ?? null;
    return [{ container, path, measurement: { state: "unknown", reason: error.message } }];
  }
}

function chosenEngines(names: readonly string[] | undefined, { configuration }: Context): readonly EngineCache[] {
  const { engines } = configuration;
  if (engines.length === 0) {
    throw new CacheOpsError("not_found", "no engine cache is configured", {
      hint: 'Describe one under `engines` in the configuration: {"name": "ace"} is enough where Docker runs here.',
    });
  }
  const unknown = names?.find((name) => !engines.some((cache) => cache.name === name));
  if (unknown !== undefined) {
    throw new CacheOpsError("invalid_input", `"${printable(unknown)}" is no engine cache`, {
      hint: `Engine caches: ${engines.map(({ name }) => name).join(", ")}.`,
    });
  }
  return engines.filter(({ name }) => names?.includes(name) ?? true);
}

type Failure = { readonly cache: EngineCache; readonly error: CacheOpsError };

async function tryLook(cache: EngineCache, context: Context): Promise<EngineScene | Failure> {
  try {
    return await look(cache, context);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return { cache, error };
  }
}

async function look(cache: EngineCache, context: Context): Promise<EngineScene> {
  const engine = await openEngine(cache.socket, context);
  const listed = await engine.list(cache.containers);
  const queue = new PQueue({ concurrency: AT_ONCE });
  const looks = listed.map(({ id }) => async () => {
    try {
      return await lookInto(id, { cache, engine }, context);
    } catch (error) {
      // It went away after it was listed.
      if (!(error instanceof CacheOpsError) || error.code !== "not_found") throw error;
      return [];
    }
  });
  return { cache, engine, caches: (await queue.addAll(looks)).flat() };
}
