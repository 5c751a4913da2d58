import { posix } from "node:path";

import { printable } from "../../printable.ts";
import type { ContainerMount, ContainerSummary, SeenContainer } from "./container.ts";

/** Directories of an image in which no cache lies. */
const SYSTEM = /^\/(?:bin|boot|dev|etc|lib\w*|proc|run|sbin|sys|usr)(?:\/|$)/;
const SHARED_MEMORY = "/dev/shm";

/** Whether `path` is `directory` or lies below it. Paths of containers: with slashes, absolute, normal. */
export function isSameOrBelow(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

/** The mount that a path of a container lies on; `undefined`: its own root. */
export function mountOfPath({ mounts }: Pick<SeenContainer, "mounts">, path: string): ContainerMount | undefined {
  return mounts
    .filter(({ destination }) => isSameOrBelow(destination, path))
    .toSorted((a, b) => b.destination.length - a.destination.length)[0];
}

/** Why a path cannot be a cache directory of this container, in words; `undefined` when it can. */
export function whyNoCache(container: Pick<SeenContainer, "mounts">, path: string): string | undefined {
  if (!posix.isAbsolute(path)) return "the path is not absolute";
  if (path.includes("\0")) return "the path holds a null character";
  if (posix.normalize(path) !== path || path.endsWith("/")) return "the path is not written in its shortest form";
  if (path === SHARED_MEMORY) return "it is all of the shared memory";
  const mount = mountOfPath(container, path);
  const isSystem = SYSTEM.test(path) && !path.startsWith(`${SHARED_MEMORY}/`);
  if (isSystem && mount === undefined) return "it is a directory of the system";
  if (mount?.destination !== path && path.split("/").length < 3) {
    return "it is a whole directory of the root and no mount of its own";
  }
  if (mount?.type !== "bind") return undefined;
  const onHost = placeOnHost(mount, path);
  const isTaken = onHost === "/" || /^\/(?:home|root|var)$/.test(onHost) || SYSTEM.test(onHost);
  return isTaken && !onHost.startsWith(`${SHARED_MEMORY}/`) ? `it is ${printable(onHost)} of the host` : undefined;
}

/** Why the contents of a cache directory cannot be removed, in words; `undefined` when they can. */
export function whyNotCleanable(container: SeenContainer, path: string): string | undefined {
  const misplaced = whyNoCache(container, path);
  if (misplaced !== undefined) return misplaced;
  if (container.state !== "running") return `the container is ${container.state}`;
  const below = container.mounts.find(({ destination }) => destination !== path && isSameOrBelow(path, destination));
  if (below !== undefined) return `another mount lies in it (${below.destination})`;
  const mount = mountOfPath(container, path);
  if (mount === undefined ? container.isRootReadOnly : !mount.isWritable) return "it is mounted read-only";
  return undefined;
}

/** A container that sees a cache directory of another, and the paths by which it does. */
export interface Sharer {
  readonly other: ContainerSummary;
  readonly paths: readonly string[];
}

/**
 * Who else has a cache directory mounted, or a part of it, or what it lies in. Of those that are not `isKnown`, such as
 * have more than the mount of `container`, a whole disk perhaps, do not count. Stopped ones see nothing.
 */
export function sharersOf(
  container: Pick<SeenContainer, "id" | "mounts">,
  path: string,
  all: readonly ContainerSummary[],
  isKnown: (other: ContainerSummary) => boolean,
): readonly Sharer[] {
  const mount = mountOfPath(container, path);
  if (mount === undefined || mount.source === "") return [];
  const place = placeOnHost(mount, path);
  const pathsIn = (other: ContainerSummary) =>
    other.mounts.flatMap(({ source, destination }) => {
      if (source === "") return [];
      if (isSameOrBelow(place, source)) return [destination];
      const counts = isSameOrBelow(source, place) && (isSameOrBelow(mount.source, source) || isKnown(other));
      return counts ? [posix.join(destination, posix.relative(source, place))] : [];
    });
  return all
    .filter(({ id, state }) => id !== container.id && state !== "stopped")
    .map((other) => ({ other, paths: pathsIn(other) }))
    .filter(({ paths }) => paths.length > 0);
}

function placeOnHost({ source, destination }: ContainerMount, path: string): string {
  return posix.join(source, posix.relative(destination, path));
}
