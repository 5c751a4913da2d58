import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";

import { fingerprint, pythonFloat, pythonMtime } from "../../shared/caches/directory/fingerprint.ts";
import { entryText, pythonString } from "../../shared/caches/directory/python-json.ts";
import { makeDirectory, makePlace } from "./place.ts";

/** The directory of the fixtures in the repository. */
export const FIXTURES = new URL("../fixtures/", import.meta.url).pathname;

/** Name of the cache file in a media directory. */
export const CACHE = ".mediabox_cache.json";

let unpacked: string | undefined;

/**
 * A fresh copy of the library that the real mediabox made: `library` (new format) or `library-legacy`. Times to the
 * nanosecond are kept, which the fingerprints need.
 */
export function copyLibrary(which: "library" | "library-legacy" = "library"): string {
  if (unpacked === undefined) {
    unpacked = makePlace("fixture");
    execFileSync("tar", ["-xzpf", join(FIXTURES, "mediabox-library.tar.gz"), "-C", unpacked]);
  }
  const copy = join(makePlace("library"), which);
  execFileSync("cp", ["-a", join(unpacked, which), copy]);
  return copy;
}

/** A JSON document beside the libraries in the archive, such as `library.manifest.json`. */
export function fixtureJson(name: string): unknown {
  if (unpacked === undefined) copyLibrary();
  return JSON.parse(readFileSync(join(unpacked ?? "", name), "utf8"));
}

/** Writes a media file with a given time (seconds since 1970) and returns its path. */
export function writeMedia(directory: string, name: string, content = "media", mtime = 1_700_000_000.5): string {
  makeDirectory(directory);
  const path = join(directory, name);
  writeFileSync(path, content);
  utimesSync(path, mtime, mtime);
  return path;
}

/** An entry for a media file as mediabox would write it, cut down to the fields that matter. `key: {…}` without indent. */
export function entryFor(path: string, fields: readonly (readonly [string, string])[] = []): string {
  const stats = statSync(path, { bigint: true });
  const name = path.slice(path.lastIndexOf("/") + 1);
  const key = fingerprint(name, stats.size, stats.mtimeNs);
  return entryText(key, [
    ["fingerprint_hash", pythonString(key)],
    ["file_name", pythonString(name)],
    ["file_size", String(stats.size)],
    ["file_mtime", pythonFloat(pythonMtime(stats.mtimeNs))],
    ["last_scanned", '"2024-01-15T10:20:30.123456"'],
    ["codec_video", '"h264"'],
    ...fields,
  ]);
}

/** Writes a cache of these entries into a directory, byte for byte as Python would, and returns its path. */
export function writeCache(directory: string, entries: readonly string[]): string {
  makeDirectory(directory);
  const path = join(directory, CACHE);
  writeFileSync(path, entries.length === 0 ? "{}" : `{\n  ${entries.join(",\n  ")}\n}`);
  return path;
}

/** A directory with media files and a cache that holds an entry for each; returns the media paths. */
export function makeMovies(directory: string, names: readonly string[]): string[] {
  const media = names.map((name) => writeMedia(directory, name));
  writeCache(
    directory,
    media.map((path) => entryFor(path)),
  );
  return media;
}
