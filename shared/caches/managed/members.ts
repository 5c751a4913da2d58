import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { errnoOf, ERRNO_HINTS } from "../../errors.ts";
import type { Trouble } from "../../finding.ts";
import { isOurName } from "../../naming.ts";
import { throwIfAborted, withTimeLimit } from "../../time-limit.ts";

/** What lies at one level below the root of a managed cache. */
export interface Level {
  /** Directories, relative to the root, with `/` between names. */
  readonly directories: readonly string[];
  readonly troubles: readonly Trouble[];
}

/**
 * The directories `depth` levels below `way`, which is relative to the root (empty: the root itself). Links are no
 * directories, ours are left out; a name that is not valid UTF-8 cannot be kept in a register and is a trouble, as is
 * a directory that cannot be read.
 *
 * Throws `interrupted` when the signal is aborted.
 */
export async function directoriesAt(
  realRoot: string,
  way: string,
  depth: number,
  options: { readonly signal: AbortSignal; readonly timeLimitSeconds: number },
): Promise<Level> {
  throwIfAborted(options.signal);
  const place = join(realRoot, way);
  let entries: Dirent<Buffer>[];
  try {
    const reading = () => readdir(place, { withFileTypes: true, encoding: "buffer" });
    entries = await withTimeLimit(reading, options.timeLimitSeconds, place);
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return { directories: [], troubles: [{ path: place, code, message: ERRNO_HINTS[code] ?? "cannot be read" }] };
  }
  const directories: string[] = [];
  const troubles: Trouble[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const name = entry.name.toString("utf8");
    if (isOurName(name)) continue;
    if (!Buffer.from(name).equals(entry.name)) {
      const message = "this name is not valid UTF-8: the directory is left alone and counts nowhere";
      troubles.push({ path: join(place, name), code: "name_not_utf8", message });
      continue;
    }
    const path = way === "" ? name : `${way}/${name}`;
    if (depth === 1) directories.push(path);
    else {
      const below = await directoriesAt(realRoot, path, depth - 1, options);
      for (const directory of below.directories) directories.push(directory);
      troubles.push(...below.troubles);
    }
  }
  return { directories, troubles };
}
