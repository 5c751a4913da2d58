import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Dashboard, ManagedFigures, RunFigures } from "../../extension/dashboard/figures.ts";
import { makeDesk } from "../../extension/worker/desk.ts";
import { handlers } from "../../extension/worker/handlers.ts";
import type { Context } from "../../shared/index.ts";
import { makeContext } from "../support/context.ts";
import { copyLibrary, entryFor, writeCache, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { applyById, makeStaleLibrary, planCleanup, undoById } from "../support/runs.ts";

/** A name that would run, were it taken for markup. */
export const HOSTILE = '<img src=x onerror="globalThis.isHacked=true">';

/** What the worker answers for the libraries of a context, looked at anew. */
export async function askWorker(context: Context): Promise<Dashboard> {
  return handlers.dashboard({}, context, makeDesk());
}

/** Libraries with names: the roots' paths by library. */
export function contextOf(libraries: Readonly<Record<string, string>>): Context {
  const entries = Object.entries(libraries).map(([name, root]) => ({ name, roots: [root] }));
  return makeContext({ config: { libraries: entries } });
}

/** A library that mediabox made, with some of its media gone. */
export function makeFilms(): string {
  const root = copyLibrary();
  const media = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(mkv|mp4)$/.test(name))
    .toSorted();
  for (const name of media.filter((_, index) => index % 6 === 5)) rmSync(join(root, name));
  return root;
}

/** A library whose every name and value is markup. */
function makeHostileLibrary(): string {
  const root = join(makePlace("hostile"), HOSTILE.replaceAll("/", ""));
  const media = writeMedia(join(root, HOSTILE), `${HOSTILE}.mkv`);
  const value = JSON.stringify(HOSTILE);
  writeCache(join(root, HOSTILE), [
    entryFor(media, [
      ["codec_audio", value],
      ["resolution", value],
      ["is_hdr", "true"],
      ["hdr_type", value],
    ]),
  ]);
  return root;
}

/** Real libraries, one of them missing, after a run that stands and one that was undone. */
export async function makeLived(): Promise<{ readonly context: Context; readonly dashboard: Dashboard }> {
  const [stale, films] = [makeStaleLibrary("a", "b", "c"), makeFilms()];
  const context = contextOf({ films, series: stale, attic: "/nowhere/attic", odd: makeHostileLibrary() });
  const undone = await applyById(context, (await planCleanup(context, [join(stale, "a")])).plan);
  await undoById(context, undone.run);
  await applyById(context, (await planCleanup(context, [join(stale, "b")])).plan);
  const film = join(
    films,
    readdirSync(films, { recursive: true, encoding: "utf8" }).find((name) => /\(\d{4}\)\.mkv$/.test(name)) ?? "",
  );
  for (let round = 0; round < 2; round += 1) {
    await handlers.invoke({ operation: "probe", input: { paths: [film] } }, context, makeDesk());
  }
  return { context, dashboard: await askWorker(context) };
}

/** A run as the history tells it. */
export function makeRun(run: string, parts: Partial<RunFigures> = {}): RunFigures {
  return {
    run,
    undoes: null,
    undoneBy: null,
    status: "complete",
    startedAt: Date.parse("2026-03-01T12:00:00Z"),
    entries: 3,
    caches: 1,
    reclaimedBytes: 1000,
    canUndo: true,
    ...parts,
  };
}

const USE = {
  directories: 12,
  bytes: 9_500_000_000,
  maxBytes: 10_000_000_000,
  highWatermark: 0.9,
  lowWatermark: 0.8,
  quarantined: 2,
  freeBytes: 50_000_000_000,
  hits: 30,
  misses: 10,
  evictions: 3,
  reclaimedBytes: 2_000_000_000,
  daysUntilFull: 12.2,
};

/** Managed caches: nearly full, too full, and one of which nothing is known. */
export const MANAGED: readonly ManagedFigures[] = [
  { name: "downloads", directory: `/srv/${HOSTILE}`, use: USE },
  { name: "spool", directory: "/srv/spool", use: { ...USE, bytes: 1_200_000_000, maxBytes: 1_000_000_000 } },
  { name: "lost", directory: "/srv/lost", use: { trouble: "its register cannot be reached" } },
];
