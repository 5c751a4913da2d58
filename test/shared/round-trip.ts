import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import * as fc from "fast-check";

import type { Context } from "../../shared/index.ts";
import { readDocument } from "../../shared/caches/directory/document.ts";
import { CACHE, entryFor, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { applyById, planCleanup, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

const DIRECTORIES = ["a", "b", "a/sub", "c d"] as const;
const NAMES = ["one.mkv", "two.mp4", "Ünï 日本.mkv", "new\nline.mkv", "__proto__"] as const;

/** What happened to a film after it was cached. `doubled`: moved, and cached in its new place, too. */
const fates = ["kept", "deleted", "changed", "superseded", "moved", "doubled"] as const;
const film = fc.record({
  directory: fc.constantFrom(...DIRECTORIES),
  name: fc.constantFrom(...NAMES),
  size: fc.integer({ min: 0, max: 1 }),
  mtime: fc.constantFrom(1_600_000_000, 1_700_000_000.123457),
  fate: fc.constantFrom(...fates),
  to: fc.constantFrom(...DIRECTORIES),
});

/** Libraries after all that may have happened to their films. */
export const libraries = fc.record({
  films: fc.uniqueArray(film, { maxLength: 12, selector: ({ directory, name }) => `${directory}/${name}` }),
  leftovers: fc.uniqueArray(fc.constantFrom(...DIRECTORIES)),
  isCompact: fc.boolean(),
  changed: fc.boolean(),
  maxEntries: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
});
export type Library = typeof libraries extends fc.Arbitrary<infer T> ? T : never;

/** Makes the library on disk. Returns where each film that is still there lies, with its key. */
function build(root: string, { films, leftovers, isCompact }: Library): { directory: string; key: string }[] {
  const entries = new Map<string, string[]>();
  const add = (directory: string, entry: string) =>
    entries.set(directory, [...(entries.get(directory) ?? []), entry].toSorted());
  const living: { directory: string; key: string }[] = [];
  for (const { directory, name, size, mtime } of films)
    add(directory, entryFor(writeMedia(join(root, directory), name, "x".repeat(size), mtime)));
  for (const { directory, name, fate, to } of films) {
    const path = join(root, directory, name);
    const target = join(root, to, name);
    const entry = entryFor(path);
    if (fate === "deleted") rmSync(path);
    else if (fate === "changed" || fate === "superseded") {
      writeFileSync(path, "something else");
      if (fate === "superseded") {
        utimesSync(path, 1_650_000_000, 1_650_000_000);
        add(directory, entryFor(path));
        living.push({ directory, key: keyOf(entryFor(path)) });
      }
    } else if (
      fate === "kept" ||
      existsSync(target) ||
      films.some((film) => film.directory === to && film.name === name)
    )
      living.push({ directory, key: keyOf(entry) });
    else {
      mkdirSync(dirname(target), { recursive: true });
      renameSync(path, target);
      if (fate === "doubled") add(to, entry);
      living.push({ directory: to, key: keyOf(entry) });
    }
  }
  for (const [directory, list] of entries) {
    const text = isCompact ? `{${list.join(",")}}\n` : `{\n  ${list.join(",\n  ")}\n}`;
    writeFileSync(join(root, directory, CACHE), text);
  }
  for (const directory of leftovers.filter((name) => entries.has(name))) {
    const temp = join(root, directory, `${CACHE}.tmp`);
    writeFileSync(temp, "{");
    utimesSync(temp, 1_700_000_000, 1_700_000_000);
  }
  return living;
}

function keyOf(entry: string): string {
  return entry.slice(1, 65);
}

function keysIn(root: string, directory: string): string[] {
  const reading = readDocument(readFileSync(join(root, directory, CACHE)));
  assert.ok("spans" in reading);
  return reading.spans.members.map(({ key }) => key);
}

/**
 * Makes a library in a place of its own, cleans it and takes that back: a plan writes nothing, what was predicted is
 * what is done, nothing is lost that lives, and an undo restores bytes, modes, owners and times.
 */
export async function roundTrip(context: Context, library: Library): Promise<void> {
  const root = makePlace("random");
  writeMedia(root, "keeper.txt");
  const living = build(root, library);
  const before = treeState(root);
  const { changed, maxEntries } = library;
  const input = { changed, allow: ["stale_ratio"], ...(maxEntries === undefined ? {} : { maxEntries }) };

  const plan = await planCleanup(context, [root], input);
  assert.deepEqual(treeState(root), before, "a plan writes nothing");
  const report = await applyById(context, plan.plan);
  assert.equal(report.status, "complete");
  const measured = [report.entries, report.caches, report.files, report.reclaimedBytes];
  assert.deepEqual(measured, [plan.entries, plan.caches, plan.actions, plan.bytes]);
  assert.deepEqual(report.predicted, { entries: plan.entries, caches: plan.caches, bytes: plan.bytes });

  for (const directory of DIRECTORIES.filter((name) => existsSync(join(root, name, CACHE)))) {
    const keys = keysIn(root, directory);
    assert.equal(new Set(keys).size, keys.length, "no key stands twice");
  }
  if (maxEntries === undefined) {
    // Of films alike that moved to several places, one gets the data.
    for (const [key, places] of Map.groupBy(living, (one) => one.key)) {
      const holding = places.filter(({ directory }) => existsSync(join(root, directory, CACHE)));
      assert.ok(
        holding.some(({ directory }) => keysIn(root, directory).includes(key)),
        "its data is there",
      );
    }
    const again = await planCleanup(context, [root], input);
    assert.deepEqual([again.status, again.changes], ["empty", []], "nothing is left to clean");
  }

  const undone = await undoById(context, report.run);
  assert.deepEqual([undone.status, undone.reclaimedBytes + report.reclaimedBytes], ["complete", 0]);
  assert.deepEqual(treeState(root), before, "an undo restores everything");
}
