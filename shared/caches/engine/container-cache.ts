import type { ContainerEngine } from "./container-api.ts";
import { measureDirectory, type CacheMeasurement, type MeasureOptions } from "./container-measure.ts";
import { whyNoCache } from "./container-place.ts";
import type { SeenContainer } from "./container.ts";
import { KNOWN_CACHE_PATHS, type EngineCache } from "./settings.ts";

/** Where the cache directory of a container is said to lie. */
type CachePlaces = Pick<EngineCache, "cachePath" | "cachePathLabel"> & { readonly probePaths?: readonly string[] };

/** A cache directory of a container, measured. */
export interface ContainerCache {
  readonly path: string;
  /** Who says that it lies there. */
  readonly source: "configured" | "label" | "known";
  readonly measurement: CacheMeasurement;
}

/**
 * The cache directories of a container: the configured one, or the one its label names, or those of the known places
 * that are not absent. What is configured is in the result even when it is absent; a directory that can be no cache
 * (`/`, one of the system, a path that is not absolute) is `unknown` with the reason.
 *
 * Throws what the engine throws.
 */
export async function findCaches(
  engine: ContainerEngine,
  container: SeenContainer,
  { cachePath, cachePathLabel, probePaths = KNOWN_CACHE_PATHS }: CachePlaces,
  options: MeasureOptions,
): Promise<readonly ContainerCache[]> {
  const look = async (path: string, source: ContainerCache["source"]): Promise<ContainerCache> => {
    const why = whyNoCache(container, path);
    const measurement: CacheMeasurement =
      why === undefined ? await measureDirectory(engine, container, path, options) : { state: "unknown", reason: why };
    return { path, source, measurement };
  };
  if (cachePath !== undefined) return [await look(cachePath, "configured")];
  const labelled = cachePathLabel === undefined ? undefined : container.labels[cachePathLabel];
  if (labelled !== undefined) return [await look(labelled, "label")];
  const found: ContainerCache[] = [];
  for (const path of probePaths) {
    const cache = await look(path, "known");
    if (cache.measurement.state !== "absent") found.push(cache);
  }
  return found;
}
