import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { cacheText, fieldsOf, makeRandom, pythonFloat, titleOf, type Entry } from "./cache-text.ts";

/** How large a library is. */
export interface TreeShape {
  /** Seasons of `files` episodes each, ten seasons a show; each has a cache. */
  readonly seasons: number;
  readonly files: number;
  /** Directories of 5,000 songs each, 2,000 of one or two films and 500 albums come on top. */
  readonly skewed?: boolean;
}

/** The shapes that have a name. */
export const SHAPES = {
  tiny: { seasons: 20, files: 20 },
  small: { seasons: 1000, files: 20 },
  medium: { seasons: 4000, files: 20 },
  large: { seasons: 20_000, files: 20 },
  skew: { seasons: 500, files: 20, skewed: true },
} as const satisfies Record<string, TreeShape>;

/** What the generator knows of a tree: a plan that says something else is wrong. */
interface Truth {
  readonly directories: number;
  readonly media: number;
  readonly caches: number;
  /** Entries while the caches are stale; the clean ones have `stale` fewer. */
  readonly entries: number;
  readonly stale: number;
  /** Caches that hold a stale entry. */
  readonly dirtyCaches: number;
  /** Of all caches while they are stale, and while they are clean. */
  readonly cacheBytes: number;
  readonly cleanBytes: number;
  /** Sizes of all files but the caches; hardly any of it is on the disk. */
  readonly mediaBytes: number;
}

/** A library with a cache in each directory of media, and both forms of each cache: with stale entries and without. */
export interface Tree {
  readonly library: string;
  readonly truth: Truth;
  /** Writes the caches in one of their forms; those that have its size already are left alone. Durable when it returns. */
  readonly reset: (form: "stale" | "clean") => void;
  /** How many caches are not byte for byte the clean ones. */
  readonly countUnclean: () => number;
}

interface Noted {
  readonly path: string;
  readonly stale: number;
  readonly clean: number;
}

const STALE_SHARE = 0.05;
const VERSION = 2;

/** Makes a tree in `place`, or takes the one of that shape that is there. The same shape gives the same tree. */
export function makeTree(place: string, shape: TreeShape): Tree {
  const notes = join(place, "tree.json");
  const form = JSON.stringify({ VERSION, ...shape });
  if (!existsSync(notes)) writeTree(place, shape, form);
  const read = JSON.parse(readFileSync(notes, "utf8")) as { form: string; truth: Truth; noted: Noted[] };
  if (read.form !== form) throw new Error(`${place} holds another tree: remove it, or name another place`);
  const { truth, noted } = read;
  const eachCache = (visit: (cache: Noted, offset: number, bytes: number) => void) => {
    const bytes = openSync(join(place, "caches.bin"), "r");
    let offset = 0;
    for (const cache of noted) {
      visit(cache, offset, bytes);
      offset += cache.stale + cache.clean;
    }
    closeSync(bytes);
  };
  return {
    library: join(place, "library"),
    truth,
    reset: (wanted) =>
      eachCache((cache, offset, bytes) => {
        if (statSync(cache.path, { throwIfNoEntry: false })?.size === cache[wanted]) return;
        const text = Buffer.alloc(cache[wanted]);
        readSync(bytes, text, 0, text.length, wanted === "stale" ? offset : offset + cache.stale);
        writeFileSync(cache.path, text);
      }),
    countUnclean: () => {
      let unclean = 0;
      eachCache((cache, offset, bytes) => {
        const text = Buffer.alloc(cache.clean);
        readSync(bytes, text, 0, text.length, offset + cache.stale);
        if (!readFileSync(cache.path).equals(text)) unclean += 1;
      });
      return unclean;
    },
  };
}

function writeTree(place: string, { seasons, files, skewed = false }: TreeShape, form: string): void {
  const library = join(place, "library");
  rmSync(library, { recursive: true, force: true });
  mkdirSync(library, { recursive: true });
  const random = makeRandom();
  const bytes = openSync(join(place, "caches.bin"), "w");
  const noted: Noted[] = [];
  const truth = {
    directories: 1,
    media: 0,
    caches: 0,
    entries: 0,
    stale: 0,
    dirtyCaches: 0,
    cacheBytes: 0,
    cleanBytes: 0,
    mediaBytes: 0,
  };
  const makeDirectory = (...parts: readonly string[]) => {
    const path = join(library, ...parts);
    mkdirSync(path);
    truth.directories += 1;
    return path;
  };
  const fill = (directory: string, names: readonly string[], besides: readonly string[] = []) => {
    const all = names.map((name) => makeEntry(name, random));
    const kept = all.filter(() => random() >= STALE_SHARE);
    for (const { name, size, seconds } of kept) makeMedia(join(directory, name), size, seconds);
    for (const name of besides) writeFileSync(join(directory, name), "");
    const [stale, clean] = [Buffer.from(cacheText(all)), Buffer.from(cacheText(kept))];
    const path = join(directory, ".mediabox_cache.json");
    writeFileSync(path, stale);
    writeSync(bytes, stale);
    writeSync(bytes, clean);
    noted.push({ path, stale: stale.length, clean: clean.length });
    truth.media += kept.length;
    truth.caches += 1;
    truth.entries += all.length;
    truth.stale += all.length - kept.length;
    truth.dirtyCaches += Number(kept.length < all.length);
    truth.cacheBytes += stale.length;
    truth.cleanBytes += clean.length;
    truth.mediaBytes += kept.reduce((sum, { size }) => sum + size, 0);
  };
  makeDirectory("tv");
  for (let season = 0, show = ""; season < seasons; season += 1) {
    if (season % 10 === 0) {
      show = `${titleOf(2, random)} ${season / 10}`;
      makeDirectory("tv", show);
    }
    const number = twoDigits((season % 10) + 1);
    const episode = (index: number) => `${show} - S${number}E${twoDigits(index + 1)} - ${titleOf(3, random)}.mkv`;
    fill(
      makeDirectory("tv", show, `Season ${number}`),
      Array.from({ length: files }, (_, index) => episode(index)),
    );
  }
  if (skewed) addSkewed(makeDirectory, fill, random);
  closeSync(bytes);
  writeFileSync(join(place, "tree.json"), JSON.stringify({ form, truth, noted }));
}

type Fill = (directory: string, names: readonly string[], besides?: readonly string[]) => void;

function addSkewed(makeDirectory: (...parts: string[]) => string, fill: Fill, random: () => number): void {
  for (const top of ["songs", "films", "music"]) makeDirectory(top);
  for (let pile = 0; pile < 10; pile += 1) {
    const song = (_: unknown, index: number) => `${String(index).padStart(5, "0")} ${titleOf(3, random)}.mp3`;
    fill(makeDirectory("songs", `Pile ${pile}`), Array.from({ length: 5000 }, song));
  }
  for (let film = 0; film < 2000; film += 1) {
    const title = `${titleOf(2, random)} ${film} (${1930 + (film % 90)})`;
    const names = [`${title}.mkv`, ...(random() < 0.5 ? [`${title} - extra.mkv`] : [])];
    fill(makeDirectory("films", title), names, [`${title}.nfo`, `${title}.en.srt`, "poster.jpg", "fanart.jpg"]);
  }
  for (let album = 0; album < 500; album += 1) {
    const song = (_: unknown, index: number) => `${twoDigits(index + 1)} - ${titleOf(2, random)}.flac`;
    const names = Array.from({ length: 8 + Math.floor(random() * 10) }, song);
    fill(makeDirectory("music", `${titleOf(2, random)} ${album}`), names, ["cover.jpg"]);
  }
}

function makeEntry(name: string, random: () => number): Entry {
  const size = 1 + Math.floor(random() * 4e9);
  // Steps of 1/64 second are exact for the system, for Python and for Node.
  const seconds = 1_600_000_000 + Math.floor(random() * 64e8) / 64;
  const hash = createHash("sha256")
    .update(`${name}|${size}|${pythonFloat(seconds)}`)
    .digest("hex");
  return { hash, name, size, seconds, fields: fieldsOf(random) };
}

/** A file of that size without a block on the disk. */
function makeMedia(path: string, size: number, seconds: number): void {
  const file = openSync(path, "w");
  ftruncateSync(file, size);
  futimesSync(file, seconds, seconds);
  closeSync(file);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
