import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import { join } from "node:path";

import type { Context } from "../../context.ts";
import { errnoOf } from "../../errors.ts";
import type { Trouble } from "../../finding.ts";
import { throwIfAborted, withTimeLimit } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import { walk } from "../../walk.ts";
import { isMediaName } from "../directory/media.ts";
import type { MediaState } from "./probe-cache.ts";

/** A directory with all below it, as it is now. */
export interface SeenTree {
  /** Its media files, by path. Links are none. */
  readonly media: readonly (MediaState & { readonly path: string })[];
  /**
   * Stands for everything below the directory: every name with its type, size and time, at any depth. `undefined`
   * when something could not be looked at, or there are more than {@link MAX_NAMES} names.
   */
  readonly digest: string | undefined;
  readonly troubles: readonly Trouble[];
}

/** More names than this are not digested. */
const MAX_NAMES = 200_000;

/** Reads a directory with all below it. Throws `interrupted` when the signal is aborted. */
export async function seeTree(
  root: string,
  { configuration, signal }: Pick<Context, "configuration" | "signal">,
): Promise<SeenTree> {
  const timeLimitSeconds = parseDuration(configuration.timeLimit);
  const troubles: Trouble[] = [];
  const media: { path: string; size: bigint; mtimeNs: bigint }[] = [];
  const lines: string[] = [];
  let names = 0;
  await walk([root], { signal, timeLimitSeconds, onTrouble: (trouble) => troubles.push(trouble) }, async (listing) => {
    names += listing.names.size;
    const isDigested = names <= MAX_NAMES;
    if (!isDigested) lines.length = 0;
    for (const [name, type] of [[".", "directory"] as const, ...listing.names]) {
      const path = join(listing.path, name);
      const isMedia = type === "file" && isMediaName(name);
      // A directory is seen as `.` when it is read itself.
      if ((!isMedia && !isDigested) || (type === "directory" && name !== ".")) continue;
      throwIfAborted(signal);
      try {
        const { size, mtimeNs } = await withTimeLimit(() => lstat(path, { bigint: true }), timeLimitSeconds, path);
        if (isMedia) media.push({ path, size, mtimeNs });
        if (isDigested) lines.push(JSON.stringify([path, type, type === "file" ? String(size) : "", String(mtimeNs)]));
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === undefined) throw error;
        troubles.push({ path, code: errno, message: "could not be looked at" });
      }
    }
  });
  const isWhole = names <= MAX_NAMES && troubles.length === 0;
  return {
    media: media.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    digest: isWhole ? createHash("sha256").update(lines.toSorted().join("\n")).digest("hex") : undefined,
    troubles,
  };
}
