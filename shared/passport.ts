import { opendir, realpath, stat, statfs } from "node:fs/promises";

import { Type, type Static } from "typebox";

import { errnoOf } from "./errors.ts";
import { withTimeLimit } from "./time-limit.ts";

/**
 * What identifies the place a root was when a plan was made: compared before, during and after an apply, and with
 * the last time the root was seen.
 */
export const Passport = Type.Object(
  {
    root: Type.String({ description: "Absolute path of the root as it was given." }),
    realPath: Type.String({ description: "The same with symbolic links resolved." }),
    device: Type.String({ description: "Number of the device it lies on." }),
    inode: Type.String({ description: "Inode of the root directory." }),
    fileSystem: Type.String({ description: "Type of the file system, as a number." }),
  },
  { additionalProperties: false },
);
export type Passport = Static<typeof Passport>;

/** The roots that passports were taken of, as they were given. */
export function rootsOf(passports: readonly Passport[]): string[] {
  return passports.map(({ root }) => root);
}

/** A root as it is found now: in order with its passport, or not, with the cause. */
export type RootState =
  | { readonly state: "healthy"; readonly passport: Passport }
  | { readonly state: "missing" | "empty" | "unreadable" | "not_a_directory"; readonly detail: string };

/** Looks at a root within `timeLimitSeconds`. A share that does not answer is `unreadable`, never empty. */
export async function inspectRoot(root: string, timeLimitSeconds: number): Promise<RootState> {
  try {
    return await withTimeLimit(() => inspect(root), timeLimitSeconds, root);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return errno === "ENOENT" || errno === "ENOTDIR"
      ? { state: "missing", detail: errno }
      : { state: "unreadable", detail: errno };
  }
}

async function inspect(root: string): Promise<RootState> {
  const realPath = await realpath(root);
  const stats = await stat(realPath, { bigint: true });
  if (!stats.isDirectory()) return { state: "not_a_directory", detail: "it is a file" };
  const directory = await opendir(realPath);
  const first = await directory.read();
  await directory.close();
  if (first === null) return { state: "empty", detail: "no names in it" };
  // Not its size: that of a pool changes with its neighbours.
  const { type } = await statfs(realPath, { bigint: true });
  return {
    state: "healthy",
    passport: { root, realPath, device: String(stats.dev), inode: String(stats.ino), fileSystem: String(type) },
  };
}

/**
 * When an earlier passport was taken: for the plan at hand, in this run of the host, or before. A library may be
 * replaced by a copy between two plans, and devices are numbered anew at every boot.
 */
export type Since = "plan" | "boot" | "ever";

/** How two passports of one root differ so that it may be another place, or `undefined`. */
export function passportDifference(before: Passport, now: Passport, since: Since): string | undefined {
  if (before.realPath !== now.realPath) return `it led to ${before.realPath}, now to ${now.realPath}`;
  if (before.fileSystem !== now.fileSystem) return `file system ${before.fileSystem} is now ${now.fileSystem}`;
  if (since === "plan" && before.inode !== now.inode) return `inode ${before.inode} is now ${now.inode}`;
  if (since !== "ever" && before.device !== now.device) return `device ${before.device} is now ${now.device}`;
  return undefined;
}
