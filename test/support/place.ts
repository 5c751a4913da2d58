import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { atEnd } from "./at-end.ts";

/** A new empty directory that is removed when the test file is done. Real path, so that it can be compared. */
export function makePlace(name = "place"): string {
  const place = mkdtempSync(join(tmpdir(), `cache-ops-test-${name}-`));
  places.push(place);
  return place;
}

const places: string[] = [];

/** Makes directories below a place and returns their path. */
export function makeDirectory(...parts: readonly string[]): string {
  const path = join(...parts);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Removes all places at once: for who makes many of them before the end. */
export function removePlaces(): void {
  for (const place of places.splice(0)) rmSync(place, { recursive: true, force: true });
}

atEnd(removePlaces);
