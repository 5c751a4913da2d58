import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { pythonMtime } from "../../shared/caches/directory/fingerprint.ts";
import { FIXTURES } from "./library.ts";
import { makeDirectory, makePlace } from "./place.ts";

/** The schema version of the caches made here. */
const SCHEMA = "ab1e5209";

/** The cache that the real media-audit made (`current`), or one of an older version of it. Times are kept. */
export function copyMediaAuditCache(which: "current" | "older" = "current"): string {
  const place = makePlace("media-audit");
  execFileSync("tar", ["-xzpf", join(FIXTURES, "media-audit-cache.tar.gz"), "-C", place]);
  return join(place, "media-audit", which);
}

/** One entry as media-audit would pickle it. What is not given is as it would be for the file at `filePath`. */
export interface PickledEntry {
  readonly filePath: string;
  /** The absolute path its key is of. Default: `filePath`. */
  readonly keyOf?: string;
  readonly size?: number;
  readonly mtime?: number;
  readonly cacheTime?: number;
  /** `null`: an entry from before schemas had versions. */
  readonly schema?: string | null;
  readonly data?: unknown;
  readonly protocol?: 4 | 5;
}

/** Data that looks like an answer of ffprobe. */
export const PROBE_DATA = {
  streams: [{ index: 0, codec_name: "h264", codec_type: "video", width: 1920, height: 1080, tags: { title: "x" } }],
  format: { format_name: "matroska,webm", duration: "1.000000", size: "5", tags: {} },
};

/** An empty cache of media-audit in a new place. */
export function makeMediaAuditCache(): string {
  const cache = join(makePlace("media-audit"), "media-audit");
  for (const name of ["probe", "scan"]) makeDirectory(cache, name);
  writeFileSync(join(cache, "schema_version.txt"), SCHEMA);
  return cache;
}

/** Has Python pickle entries into a cache; returns the paths of their files. They count as written an hour ago. */
export function pickleEntries(cache: string, entries: readonly PickledEntry[]): string[] {
  const work = entries.map((entry) => {
    const { filePath, keyOf = filePath, schema = SCHEMA, data = PROBE_DATA, protocol = 4 } = entry;
    const stats = statSync(keyOf, { bigint: true, throwIfNoEntry: false });
    const key = createHash("md5").update(`probe:${keyOf}`).digest("hex");
    const state: Record<string, unknown> = {
      key,
      data,
      file_path: filePath,
      file_size: entry.size ?? Number(stats?.size ?? 5),
      file_mtime: entry.mtime ?? pythonMtime(stats?.mtimeNs ?? 1_700_000_000_500_000_000n),
      cache_time: entry.cacheTime ?? Date.now() / 1000 - 3600,
    };
    if (schema !== null) state["schema_version"] = schema;
    return { target: join(cache, "probe", `${key}.pkl`), state, protocol };
  });
  execFileSync("python3", ["-c", PICKLER], { input: JSON.stringify(work) });
  for (const { target } of work) age(target);
  return work.map(({ target }) => target);
}

/** Writes an entry of a directory as media-audit does, valid as of now; returns its path. */
export function writeScanEntry(cache: string, directory: string, fields: Record<string, unknown> = {}): string {
  const key = createHash("md5").update(`media:movie:${directory}`).digest("hex");
  const entry = {
    key,
    data: { path: directory, type: "movie" },
    file_path: directory,
    file_size: 0,
    file_mtime: Date.now() / 1000,
    cache_time: Date.now() / 1000 - 3600,
    schema_version: SCHEMA,
    ...fields,
  };
  const path = join(cache, "scan", `${key}.json`);
  writeFileSync(path, JSON.stringify(entry));
  age(path);
  return path;
}

/** Makes a file look written an hour ago. */
export function age(path: string, seconds = 3600): void {
  const time = Date.now() / 1000 - seconds;
  utimesSync(path, time, time);
}

const PICKLER = `
import json, pathlib, pickle, sys, types
module = "media_audit.infrastructure.cache.cache"
parts = module.split(".")
for n in range(1, len(parts) + 1):
    sys.modules[".".join(parts[:n])] = types.ModuleType(".".join(parts[:n]))
class CacheEntry: pass
CacheEntry.__module__ = module
CacheEntry.__qualname__ = "CacheEntry"
sys.modules[module].CacheEntry = CacheEntry
for work in json.load(sys.stdin):
    entry = CacheEntry()
    state = work["state"]
    state["file_path"] = pathlib.PosixPath(state["file_path"])
    state["file_mtime"] = float(state["file_mtime"])
    state["cache_time"] = float(state["cache_time"])
    entry.__dict__.update(state)
    with open(work["target"], "wb") as out:
        pickle.dump(entry, out, protocol=work["protocol"])
`;
