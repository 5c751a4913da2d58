import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";

import { isInside } from "../../anchor.ts";
import { errnoOf } from "../../errors.ts";

/** One line of Linux's table of mounts. */
export interface Mount {
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The directory of the file system that is mounted. */
  readonly root: string;
  /** Where it is mounted. */
  readonly point: string;
  readonly options: readonly string[];
}

/** The mounts as a process sees them, later ones on top; none where the system has no such table or does not show it. */
export async function mountsOf(process: "self" | number): Promise<readonly Mount[]> {
  try {
    return parseMounts(await readFile(`/proc/${process}/mountinfo`, "utf8"));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

/** The mounts in the text of a `mountinfo` file. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const [, , device, root, point, options] = line.split(" ");
    if (device === undefined || root === undefined || point === undefined || options === undefined) return [];
    const superOptions = line.split(" - ").at(-1)?.split(" ")[2] ?? "";
    return [
      { device, root: plain(root), point: plain(point), options: [...options.split(","), ...superOptions.split(",")] },
    ];
  });
}

/** A name as it is, where the kernel writes spaces, line breaks and backslashes in octal. */
export function plain(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount that a real path lies on. */
function mountAt(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    if (isInside(mount.point, path) && mount.point.length >= (found?.point.length ?? 0)) found = mount;
  }
  return found;
}

/** A directory under the name that another process knows it by, and under ours. */
export interface Window {
  readonly theirs: string;
  readonly ours: string;
}

/**
 * Where a process that has other mounts (a container) sees directories of ours: by which of its paths, and what these
 * are here.
 */
export function windowsOnto(realRoot: string, ours: readonly Mount[], theirs: readonly Mount[]): readonly Window[] {
  const mount = mountAt(realRoot, ours);
  if (mount === undefined) return [{ theirs: realRoot, ours: realRoot }];
  const place = join(mount.root, relative(mount.point, realRoot));
  return theirs.flatMap(({ device, root, point }): Window[] => {
    if (device !== mount.device) return [];
    if (isInside(root, place)) return [{ theirs: join(point, relative(root, place)), ours: realRoot }];
    return isInside(place, root) ? [{ theirs: point, ours: join(realRoot, relative(place, root)) }] : [];
  });
}

/**
 * Whether reading a file is noted in its time of access where `realPath` lies: `no` when it is mounted noatime,
 * `unknown` where the system does not say. Linux's default (relatime) notes it once a day.
 */
export async function keepsAccessTimes(realPath: string): Promise<"yes" | "no" | "unknown"> {
  const mount = mountAt(realPath, await mountsOf("self"));
  if (mount === undefined) return "unknown";
  return mount.options.includes("noatime") ? "no" : "yes";
}
