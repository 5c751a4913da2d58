import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { fill } from "../../shared/managed/managed-place.ts";
import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../../support/library.ts";
import { FORMULAS, HOSTILE_MARKUP, NAMES, TEMPTING } from "./names.ts";

/** Where a name stands. */
export type Position = (typeof POSITIONS)[number];

const POSITIONS = ["media", "directory", "recorded", "key", "value", "member"] as const;

/** A name of others, and where it stands. */
export interface Named {
  readonly text: string;
  readonly position: Position;
}

const TEXTS = [...new Set([...TEMPTING, ...FORMULAS, ...HOSTILE_MARKUP, ...NAMES])];

/** Every name at some positions, the names with a meaning at all of them; as many as are asked for. */
export const NAMED: readonly Named[] = POSITIONS.flatMap((_, round) =>
  TEXTS.slice(0, round === 0 ? TEXTS.length : TEXTS.length - NAMES.length).map((text, index): Named => {
    const position = POSITIONS[(index + round) % POSITIONS.length] ?? "media";
    const isFile = position === "media" || position === "directory" || position === "member";
    return { text, position: isFile && !canBeName(text) ? "recorded" : position };
  }),
);

function canBeName(text: string): boolean {
  return text.isWellFormed() && !/[/\0]/.test(text) && Buffer.byteLength(text) <= 255;
}

/** Makes a directory in which a name stands where it is to stand; of a managed cache, in its root. */
export function placeName({ text, position }: Named, directory: string, managed: string): void {
  mkdirSync(directory, { recursive: true });
  const here = writeMedia(directory, "here.bin");
  const changed = (from: string, to: string) =>
    writeCache(directory, [entryFor(here).replaceAll(JSON.stringify(from), () => JSON.stringify(to))]);
  switch (position) {
    case "media":
    case "directory": {
      const [own, name] = position === "media" ? [directory, text] : [join(directory, text), "gone.mkv"];
      const [gone = ""] = makeMovies(own, [name, "there.mkv"]);
      rmSync(gone);
      return;
    }
    case "recorded":
      changed("here.bin", text);
      return;
    case "key":
      writeCache(directory, [entryFor(here).replace(/"[0-9a-f]{64}"/, () => JSON.stringify(text))]);
      return;
    case "value":
      changed("h264", text);
      return;
    case "member":
      fill(managed, `${text}/film.bin`);
  }
}

/** The cache that {@link placeName} made beside the media. */
export function cacheOf({ text, position }: Named, directory: string): string {
  return position === "directory" ? join(directory, text, CACHE) : join(directory, CACHE);
}
