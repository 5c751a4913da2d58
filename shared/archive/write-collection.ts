import { join } from "node:path";

import type { Context } from "../context.ts";
import { CacheOpsError, errnoOf } from "../errors.ts";
import type { Trouble } from "../finding.ts";
import { parseDuration } from "../units.ts";
import { archived, readSteady, type Collection, type SourceFile } from "./collect.ts";
import { LIMITS, memberName, type ArchivedFile, type Manifest } from "./manifest.ts";
import { piecesOf } from "./pieces.ts";
import type { ReadArchive } from "./read.ts";
import { writeArchive, type ArchiveWish } from "./write.ts";

/** How often an archive is begun anew because a cache changed after it was hashed. */
const ATTEMPTS = 5;

/**
 * Writes the files of a collection into an archive, each exactly as its hash says: when one changed since, it is read
 * again and the archive begun anew. A cache that went away meanwhile is left out and returned in `dropped`.
 *
 * Throws `locked` when caches keep changing, and what {@link writeArchive} throws.
 */
export async function writeCollection(
  { roots, files }: Pick<Collection, "roots" | "files">,
  wish: Pick<ArchiveWish, "path" | "overwrite" | "makesDirectory">,
  context: Context,
): Promise<{ readonly read: ReadArchive; readonly dropped: readonly Trouble[] }> {
  const limit = parseDuration(context.configuration.timeLimit);
  const current = new Map(files.map((file) => [memberName(file.file), file]));
  const dropped: Trouble[] = [];
  for (let attempt = 1; ; attempt += 1) {
    let changed: SourceFile | undefined;
    const bytesOf = async (file: ArchivedFile) => {
      const known = current.get(memberName(file));
      if (known === undefined) throw new Error(`${file.path} is not in the collection`);
      if (known.isCopy) return piecesOf(known.source, limit);
      const seen = await steady(known.source, limit);
      if (seen !== undefined && isSame(archived(file, seen), file)) return seen.bytes;
      changed = known;
      throw new CacheOpsError("locked", `${join(roots[file.root]?.path ?? "", file.path)} keeps changing`, {
        hint: "Something is writing this cache. Try again when it is done.",
      });
    };
    const manifest = manifestOf(roots, [...current.values()], context);
    try {
      return { read: await writeArchive({ ...wish, manifest, bytesOf }, context), dropped };
    } catch (error) {
      if (changed === undefined || attempt === ATTEMPTS) throw error;
      const { file, source } = changed;
      const seen = await steady(source, limit);
      if (seen !== undefined) current.set(memberName(file), { ...changed, file: archived(file, seen) });
      else {
        current.delete(memberName(file));
        dropped.push({
          path: join(roots[file.root]?.path ?? "", file.path),
          code: "went_away",
          message: "not backed up: it went away meanwhile",
        });
      }
    }
  }
}

function manifestOf(roots: Collection["roots"], files: readonly SourceFile[], context: Context): Manifest {
  const manifest: Manifest = {
    format: "cache-ops-backup",
    version: 1,
    createdAt: new Date(context.now()).toISOString(),
    roots: [...roots],
    files: files.map(({ file }) => file),
  };
  const total = manifest.files.reduce((sum, { size }) => sum + size, 0);
  if (total > LIMITS.totalBytes) {
    throw new CacheOpsError("invalid_input", `${total} bytes are more than one backup takes`, {
      hint: "Make a backup of each library.",
    });
  }
  return manifest;
}

async function steady(path: string, timeLimitSeconds: number) {
  try {
    return await readSteady(path, timeLimitSeconds);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function isSame(a: ArchivedFile, b: ArchivedFile): boolean {
  const keys = ["sha256", "size", "mode", "uid", "gid", "mtimeNs"] as const;
  return keys.every((key) => a[key] === b[key]);
}
