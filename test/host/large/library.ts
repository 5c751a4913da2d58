import { linkSync, mkdirSync, mkdtempSync, rmSync, statfsSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fingerprint, pythonFloat, pythonMtime } from "../../../shared/caches/directory/fingerprint.ts";
import { entryText } from "../../../shared/caches/directory/python-json.ts";
import { CACHE_NAME } from "../../../shared/caches/directory/names.ts";

/** A library of many small directories, and what is in it. */
export interface LargeLibrary {
  readonly root: string;
  readonly caches: number;
  readonly entries: number;
  /** Entries whose media is gone, one in each directory that {@link staleAt} names. */
  readonly stale: number;
  remove(): void;
}

const SHELVES = 100;
const FILMS = 1000;
const CACHES = SHELVES * FILMS;
/** Every twentieth directory has an entry whose media is gone, */
const STALE_EVERY = 20;
/** every fourth has two entries. */
const SECOND_EVERY = 4;
/** ext4 gives one file at most 65,000 names. */
const MAX_LINKS = 60_000;
/** What the library needs at most in a file system of 4 kB blocks. */
const NEEDED_BYTES = 1_500_000_000;
const MEMORY = "/dev/shm";

/** Makes 100,000 directories, each with a cache and media of names of their own. Takes 2 s in memory, 10 s on a disk. */
export function makeLargeLibrary(): LargeLibrary {
  const place = mkdtempSync(join(roomyDirectory(), "cache-ops-large-"));
  const root = join(place, "library");
  const seed = join(place, "media");
  let made = 0;
  let entries = 0;
  let links = MAX_LINKS;
  const addMedia = (directory: string, name: string) => {
    if (links === MAX_LINKS) {
      rmSync(seed, { force: true });
      writeFileSync(seed, "media");
      utimesSync(seed, 1_700_000_000.5, 1_700_000_000.5);
      links = 1;
    }
    linkSync(seed, join(directory, name));
    links += 1;
  };
  for (let shelf = 0; shelf < SHELVES; shelf += 1) {
    for (let film = 0; film < FILMS; film += 1, made += 1) {
      const title = `Film ${String(made).padStart(5, "0")} (${1950 + (made % 70)})`;
      const directory = join(root, `shelf ${String(shelf).padStart(2, "0")}`, title);
      mkdirSync(directory, { recursive: true });
      const names = [`${title}.mkv`, ...(made % SECOND_EVERY === 0 ? [`${title} extra.mkv`] : [])];
      for (const name of names) addMedia(directory, name);
      const lost = made % STALE_EVERY === 1 ? [`${title} gone.mkv`] : [];
      const recorded = [...names, ...lost].map((name) => entryOf(name, seed));
      entries += recorded.length;
      writeFileSync(join(directory, CACHE_NAME), `{\n  ${recorded.join(",\n  ")}\n}`);
    }
  }
  return {
    root,
    caches: CACHES,
    entries,
    stale: CACHES / STALE_EVERY,
    remove: () => rmSync(place, { recursive: true, force: true }),
  };
}

/** In memory where there is room: 100,000 directories take a disk half a minute to remove. */
function roomyDirectory(): string {
  try {
    const { bavail, bsize, ffree } = statfsSync(MEMORY);
    if (bavail * bsize > NEEDED_BYTES && (ffree === 0 || ffree > 4 * CACHES)) return MEMORY;
  } catch {
    // There is no such place.
  }
  return tmpdir();
}

/** All media are one file by many names, so only the name differs. */
function entryOf(name: string, seed: string): string {
  seen ??= statSync(seed, { bigint: true });
  const key = fingerprint(name, seen.size, seen.mtimeNs);
  return entryText(key, [
    ["fingerprint_hash", `"${key}"`],
    ["file_name", `"${name}"`],
    ["file_size", String(seen.size)],
    ["file_mtime", pythonFloat(pythonMtime(seen.mtimeNs))],
    ["last_scanned", '"2024-01-15T10:20:30.123456"'],
    ["codec_video", '"h264"'],
    ["resolution", '"1080p"'],
  ]);
}

let seen: { readonly size: bigint; readonly mtimeNs: bigint } | undefined;
