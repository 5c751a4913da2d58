import { readdir, realpath } from "node:fs/promises";
import { join, relative, sep } from "node:path";

import { isInside } from "../anchor.ts";
import { CACHE_NAME } from "../caches/directory/names.ts";
import { probeFileOf } from "../caches/probe/database.ts";
import { mediaAuditPlaces } from "../caches/probe/media-audit/places.ts";
import type { Context } from "../context.ts";
import { CacheOpsError, errnoOf, ERRNO_HINTS } from "../errors.ts";
import { readSeenFile, type SeenFile } from "../file.ts";
import type { Trouble } from "../finding.ts";
import { guardRoots } from "../guard.ts";
import { resolveRoots } from "../library.ts";
import { inspectRoot, type Passport } from "../passport.ts";
import { throwIfAborted, withTimeLimit } from "../time-limit.ts";
import { parseDuration } from "../units.ts";
import { walk } from "../walk.ts";
import { LIMITS, objectionTo, type ArchivedFile, type ArchivedRoot, type Holding } from "./manifest.ts";
import { seeInPieces } from "./pieces.ts";
import { copyStore } from "./store-copy.ts";

/** A file to back up and where its bytes are read. */
export interface SourceFile {
  readonly file: ArchivedFile;
  readonly source: string;
  /** A copy of ours, of any size, that nobody else writes. */
  readonly isCopy: boolean;
}

/** Everything a backup is made of. */
export interface Collection {
  readonly roots: readonly ArchivedRoot[];
  readonly files: readonly SourceFile[];
  /** What could not be read: the backup goes on without it and is partial. */
  readonly troubles: readonly Trouble[];
  /** Removes temporary copies. */
  readonly dispose: () => Promise<void>;
}

interface Place {
  readonly root: number;
  readonly path: string;
  readonly source: string;
  readonly isCopy?: boolean;
}

/**
 * Finds and hashes every file of a backup. Writes nothing but a copy of our own store, in the state directory.
 *
 * Throws `blocked` for a library that is not there, empty or unreadable: a backup without it would pass for whole.
 */
export async function collect(
  paths: readonly string[],
  kinds: readonly string[],
  context: Context,
): Promise<Collection> {
  const roots: ArchivedRoot[] = [];
  const places: Place[] = [];
  const troubles: Trouble[] = [];
  let dispose = async () => undefined;
  const add = (holds: Holding, path: string, library: string | null = null) => roots.push({ holds, path, library }) - 1;
  if (kinds.includes("directory")) {
    const passports = await healthyPassports(await resolveRoots(paths, context), context);
    const names = await libraryNames(context);
    const numbers = new Map(passports.map(({ root }) => [root, add("directory", root, names.get(root) ?? null)]));
    for (const { root, cache, source } of await findCaches(passports, troubles, context)) {
      places.push({ root: numbers.get(root) ?? 0, path: relative(root, cache).split(sep).join("/"), source });
    }
  }
  try {
    if (kinds.includes("probe")) {
      const audits = await healthyPassports(await mediaAuditPlaces(context), context);
      for (const { root } of audits) {
        const number = add("media-audit", root);
        for (const path of await mediaAuditFiles(root)) places.push({ root: number, path, source: join(root, path) });
      }
      const store = await storeOr(troubles, context);
      if (store !== undefined) {
        const root = add("probe-store", store.directory);
        places.push({ root, path: store.name, source: store.copy, isCopy: true });
        dispose = store.dispose;
      }
    }
    const files = await hashAll(places, roots, troubles, context);
    return { roots, files, troubles: troubles.toSorted((a, b) => (a.path < b.path ? -1 : 1)), dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/**
 * Reads a file for a backup. One that is being written is tried again a few times.
 * Throws the system's error or `corrupt`, as {@link readSeenFile} does.
 */
export async function readSteady(path: string, timeLimitSeconds: number): Promise<SeenFile> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await withTimeLimit(() => readSeenFile(path), timeLimitSeconds, path);
    } catch (error) {
      if (attempt === READ_ATTEMPTS || !(error instanceof CacheOpsError) || error.code !== "stale_plan") throw error;
    }
  }
}

const READ_ATTEMPTS = 5;

/** What the manifest says of a file that was read. */
export function archived(
  { root, path }: Pick<ArchivedFile, "root" | "path">,
  seen: Pick<SeenFile, "content" | "attributes">,
): ArchivedFile {
  const { mode, uid, gid, mtimeNs } = seen.attributes;
  return { root, path, ...seen.content, mode: mode & 0o777, uid, gid, mtimeNs };
}

async function healthyPassports(roots: readonly string[], context: Context): Promise<Passport[]> {
  const limit = parseDuration(context.configuration.timeLimit);
  const passports: Passport[] = [];
  for (const root of roots) {
    const state = await inspectRoot(root, limit);
    if (state.state === "healthy") passports.push(state.passport);
    const [objection] = guardRoots([{ root, state, remembered: undefined }], []);
    if (objection === undefined) continue;
    const { path, message, observed } = objection;
    throw new CacheOpsError("blocked", `${path}: ${message} (${observed})`, {
      hint: "Mount or correct it, or name the libraries to back up without it.",
    });
  }
  return passports;
}

async function libraryNames(context: Context): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const { name } of context.configuration.libraries) {
    for (const root of await resolveRoots([name], context)) names.set(root, name);
  }
  return names;
}

async function findCaches(passports: readonly Passport[], troubles: Trouble[], context: Context) {
  const found: { readonly root: string; readonly cache: string; readonly source: string }[] = [];
  const realRoots = passports.map(({ realPath }) => realPath);
  const options = {
    signal: context.signal,
    timeLimitSeconds: parseDuration(context.configuration.timeLimit),
    onTrouble: (trouble: Trouble) => troubles.push(trouble),
  };
  let directories = 0;
  const roots = passports.map(({ root }) => root);
  await walk(roots, options, async ({ root, path, names }) => {
    directories += 1;
    context.progress({ message: `looking at ${path}`, done: directories });
    const type = names.get(CACHE_NAME);
    if (type === undefined) return;
    const cache = join(path, CACHE_NAME);
    if (type !== "symlink") found.push({ root, cache, source: cache });
    else {
      const real = await realOf(cache);
      if (real !== undefined && realRoots.some((inside) => isInside(inside, real)))
        found.push({ root, cache, source: real });
      else
        troubles.push({
          path: cache,
          code: "link_leads_outside",
          message: "this link leads out of the library: not backed up",
        });
    }
  });
  return found.toSorted((a, b) => (a.cache < b.cache ? -1 : Number(a.cache > b.cache)));
}

/** A copy of our own store. One that is damaged is named and left out: libraries are backed up all the same. */
async function storeOr(troubles: Trouble[], context: Context) {
  try {
    return await copyStore(context);
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    troubles.push({ path: probeFileOf(context), code: error.code, message: `not backed up: ${error.message}` });
    return undefined;
  }
}

async function realOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

async function mediaAuditFiles(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true });
  return names
    .map((name) => name.split(sep).join("/"))
    .filter((name) => objectionTo("media-audit", name) === undefined)
    .toSorted();
}

/** Files read at once while hashing. */
const CONCURRENCY = 8;

async function hashAll(
  places: readonly Place[],
  roots: readonly ArchivedRoot[],
  troubles: Trouble[],
  context: Context,
) {
  const limit = parseDuration(context.configuration.timeLimit);
  const files: SourceFile[] = [];
  const refuse = (place: Place, code: string, message: string) =>
    troubles.push({
      path: join(roots[place.root]?.path ?? "", place.path),
      code,
      message: `not backed up: ${message}`,
    });
  const hash = async (place: Place): Promise<SourceFile | undefined> => {
    const objection = objectionTo(roots[place.root]?.holds ?? "directory", place.path);
    if (objection !== undefined) {
      refuse(place, "name_not_portable", `its path ${objection}`);
      return undefined;
    }
    const { source, isCopy = false } = place;
    try {
      const seen = isCopy ? await seeInPieces(source, limit, context.signal) : await readSteady(source, limit);
      return { file: archived(place, seen), source, isCopy };
    } catch (error) {
      const code = error instanceof CacheOpsError ? error.code : errnoOf(error);
      if (code === undefined) throw error;
      const message = error instanceof CacheOpsError ? error.message : (ERRNO_HINTS[code] ?? "it cannot be read");
      refuse(place, code, message);
      return undefined;
    }
  };
  for (let next = 0; next < places.length; next += CONCURRENCY) {
    throwIfAborted(context.signal);
    context.progress({ message: "reading caches", done: next, total: places.length });
    const batch = await Promise.all(places.slice(next, next + CONCURRENCY).map(hash));
    files.push(...batch.filter((file) => file !== undefined));
  }
  if (files.length > LIMITS.files) {
    throw new CacheOpsError("invalid_input", `${files.length} files are more than one backup takes`, {
      hint: `Make a backup of each library: ${LIMITS.files} files at most.`,
    });
  }
  return files;
}
