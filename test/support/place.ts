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

/** How many places there are: for {@link removePlaces}. */
export function countPlaces(): number {
  return places.length;
}

/** Removes the places that were made after so many others: for who makes many of them before the end. */
export function removePlaces(after: number): void {
  for (const place of places.splice(after)) rmSync(place, { recursive: true, force: true });
}

atEnd(() => removePlaces(0));
