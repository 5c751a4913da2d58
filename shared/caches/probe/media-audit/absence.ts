import { lstat, opendir, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";

import { isInside } from "../../../anchor.ts";
import { errnoOf } from "../../../errors.ts";
import type { Reason } from "../../../finding.ts";
import type { RootState } from "../../../passport.ts";
import { withTimeLimit } from "../../../time-limit.ts";

/** A root of a configured library and how it was found. */
export interface Witness {
  readonly root: string;
  readonly state: RootState;
}

/**
 * Why media that ENOENT was said of may be there all the same, or `undefined` when it is gone for certain.
 *
 * The way to it is followed up to the nearest directory that is there. That must hold something, as an empty one may
 * be the mount point of a missing disk, and it must lie in a configured library that is in order, or else be the very
 * directory of the media. Links that lead nowhere prove nothing.
 */
export async function doubtAbsence(
  path: string,
  witnesses: readonly Witness[],
  timeLimitSeconds: number,
): Promise<Reason | undefined> {
  const timed = <T>(call: () => Promise<T>) => withTimeLimit(call, timeLimitSeconds, path);
  let at = path;
  try {
    while (!(await timed(() => isThere(at)))) {
      if (dirname(at) === at) return { rule: "nothing_on_the_way", observed: at };
      at = dirname(at);
    }
    if (at === path) return { rule: "dangling_link", observed: at };
    const leadsTo = await timed(() => statIfThere(at));
    if (leadsTo === undefined) return { rule: "dangling_link", observed: at };
    if (!leadsTo.isDirectory()) return { rule: "parent_is_no_directory", observed: at };
    if (await timed(() => isEmpty(at))) return { rule: "parent_is_empty", observed: at };
    const real = await timed(() => realpath(at));
    const library = witnesses.find(({ root, state }) =>
      isInside(state.state === "healthy" ? state.passport.realPath : root, real),
    );
    const written = witnesses.find(({ root }) => isInside(root, path));
    const sick = [library, written].find((witness) => witness !== undefined && witness.state.state !== "healthy");
    if (sick !== undefined) return { rule: `library_${sick.state.state}`, observed: sick.root };
    return library === undefined && at !== dirname(path) ? { rule: "parent_is_gone", observed: at } : undefined;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return { rule: "media_unreadable", observed: errno };
  }
}

/** Whether there is something of this name, were it a link that leads nowhere. */
async function isThere(path: string): Promise<boolean> {
  return (await absentAs(lstat(path))) !== undefined;
}

async function statIfThere(path: string) {
  return absentAs(stat(path));
}

async function isEmpty(path: string): Promise<boolean> {
  const directory = await opendir(path);
  try {
    return (await directory.read()) === null;
  } finally {
    await directory.close();
  }
}

/** The result, or `undefined` for the two errors that mean "no such name". */
async function absentAs<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
