import { CacheOpsError } from "../../errors.ts";
import { isSameOrBelow, mountOfPath } from "./container-place.ts";
import type { ContainerEngine } from "./container-api.ts";
import { listByArchive } from "./container-archive.ts";
import { listByPrograms } from "./container-programs.ts";
import { listByProcess } from "./container-root.ts";
import type { SeenContainer } from "./container.ts";
import type { Listing } from "./container-listing.ts";

/** How a directory of a container was looked at. */
type MeasuringWay = "programs" | "process" | "archive";

/** A look that came to an end, or why there was none this way: then another is tried. */
export type Look =
  | { readonly state: "listed"; readonly listing: Listing }
  | { readonly state: "absent" }
  /** It is there and cannot be looked at whole, whatever way. */
  | { readonly state: "unknown"; readonly reason: string }
  | { readonly state: "unable"; readonly reason: string };

/** What is in a cache directory. Empty is a measurement, with no entries; it is never a guess. */
export type CacheMeasurement =
  | ({ readonly state: "measured"; readonly way: MeasuringWay } & Listing)
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly reason: string };

/** How to look into containers. */
export interface MeasureOptions {
  readonly signal: AbortSignal;
  /** For each program that runs in a container, and each archive. */
  readonly limitSeconds: number;
  /** Whom programs run as. */
  readonly user: string;
  /** Ways to take, in order. Unset: all of them. */
  readonly ways?: readonly MeasuringWay[] | undefined;
}

/** Programs cost the container least; a process shows its files to root; an archive carries every byte here. */
const WAYS: readonly MeasuringWay[] = ["programs", "process", "archive"];

/**
 * Measures a directory of a container by the first way that works: `find` and `stat` in the container; the root of its
 * first process, for root on the engine's host; the engine's archive, which needs neither but does not see tmpfs.
 *
 * Throws what the engine throws: `not_found` when the container is gone, `blocked` when it stopped meanwhile,
 * `unavailable` when there is no answer.
 */
export async function measureDirectory(
  engine: ContainerEngine,
  container: SeenContainer,
  path: string,
  options: MeasureOptions,
): Promise<CacheMeasurement> {
  const reasons: string[] = [];
  for (const way of options.ways ?? WAYS) {
    const look = await lookBy(way, engine, container, path, options);
    if (look.state === "listed") return { state: "measured", way, ...look.listing };
    if (look.state !== "unable") return look;
    reasons.push(look.reason);
  }
  return { state: "unknown", reason: reasons.join("; ") };
}

async function lookBy(
  way: MeasuringWay,
  engine: ContainerEngine,
  container: SeenContainer,
  path: string,
  options: MeasureOptions,
): Promise<Look> {
  const isRunning = container.state === "running";
  switch (way) {
    case "programs":
      if (!isRunning) return { state: "unable", reason: `the container is ${container.state}` };
      return listByPrograms(engine, container.id, path, options);
    case "process":
      return listByProcess(container, path, options.signal);
    case "archive": {
      const isTemporary = mountOfPath(container, path)?.type === "tmpfs";
      // What a stopped container had in memory is gone.
      if (isTemporary && container.state === "stopped") return { state: "absent" };
      const hidden = container.mounts.some(
        ({ type, destination }) => type === "tmpfs" && isSameOrBelow(path, destination),
      );
      if (isTemporary || hidden) return { state: "unable", reason: "the engine's archive has nothing of tmpfs" };
      return listByArchive(engine, container.id, path, options);
    }
    default:
      throw new CacheOpsError("internal", `no such way: ${String(way satisfies never)}`);
  }
}
