import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { openState } from "../../shared/index.ts";
import { atEnd } from "../support/at-end.ts";
import { entryFor, writeCache, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";
import { startDriver, type Answer, type Driver } from "./traced.ts";

/* Many processes at one cache file: ours, with a lock, and mediabox, which knows of none. */

/** How long the imitated mediabox probes a file before it stores the next entry: a little, and twice as long at most. */
const PAUSE_MS = 60;

const NEIGHBOUR = programOf("faults/neighbour");

/** What a reader that never paused saw. */
interface Seen {
  readonly reads: number;
  readonly absent: number;
  readonly torn: readonly string[];
}

/** One store of the imitated mediabox: the key it added, the content it read and the one it wrote. */
interface Stored {
  readonly key: string;
  readonly base: string;
  readonly wrote: string;
}

/** What came of many of ours at one cache. */
export interface Crowd {
  readonly seen: Seen;
  /** Entries that were recorded and are not there, and that were removed and are. */
  readonly lost: readonly string[];
  readonly returned: readonly string[];
  readonly recorded: number;
  readonly removed: number;
}

/** Six processes of ours record and remove entries of one cache, so many times each. */
export async function crowd(rounds: number): Promise<Crowd> {
  const { directory, cache } = makeCrowdedDirectory(20);
  const [shared, other] = [makePlace("state"), makePlace("state")];
  const states = [shared, shared, shared, other, other, makePlace("state")];
  const watcher = watch(cache);
  const kept = new Set<string>();
  const removed = new Set<string>();
  await withDrivers(states, async (driver, index) => {
    for (let round = 0; round < rounds; round += 1) {
      const stays = writeMedia(directory, `stays-${index}-${round}.mkv`, `${index} ${round}`);
      await untilDone(() => driver.run("record", { media: stays }));
      kept.add(keyOf(stays));
      const goes = writeMedia(directory, `goes-${index}-${round}.mkv`, `${index} ${round}`);
      await untilDone(() => driver.run("record", { media: goes }));
      const key = keyOf(goes);
      unlinkSync(goes);
      // A plan of somebody else may have taken it along.
      while (readFileSync(cache, "utf8").includes(key)) await untilDone(() => cleanOnce(driver, directory));
      removed.add(key);
    }
  });
  const seen = await watcher.stop();
  const entries = Object.keys(JSON.parse(readFileSync(cache, "utf8")) as object);
  assert.equal(entries.length, 20 + kept.size);
  return {
    seen,
    lost: [...kept].filter((key) => !entries.includes(key)),
    returned: [...removed].filter((key) => entries.includes(key)),
    recorded: kept.size,
    removed: removed.size,
  };
}

/** What came of ours and mediabox at one cache. */
export interface Mixed {
  readonly seen: Seen;
  /** Changes of ours that were put in place. */
  readonly published: number;
  /** Contents that mediabox wrote and nobody read before we overwrote them. */
  readonly overwritten: number;
  /** Changes of ours that mediabox overwrote. */
  readonly lostOurs: number;
  /** Entries that were to be removed and are there after a last cleanup. */
  readonly left: boolean;
}

/** Five processes of ours change the cache that mediabox stores so many entries in. */
export async function crowdWithMediabox(stores: number): Promise<Mixed> {
  const { directory, cache } = makeCrowdedDirectory(20, Math.ceil(stores / 5), stores);
  const shared = makePlace("state");
  const states = [shared, shared, makePlace("state"), makePlace("state"), makePlace("state")];
  const watcher = watch(cache);
  const box = spawn(process.execPath, [NEIGHBOUR, "store", cache, "0", String(stores), String(PAUSE_MS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(box);
  const program = { isOver: false };
  const output = text(box.stdout).finally(() => (program.isOver = true));
  await withDrivers(states, async (driver, index) => {
    for (let round = 0; !program.isOver; round += 1) {
      if (index < 3) await driver.run("record", { media: writeMedia(directory, `ours-${index}-${round}.mkv`, "x") });
      else await cleanOnce(driver, directory, 3);
    }
  });
  const stored = (await output)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Stored);
  const seen = await watcher.stop();
  const last = createHash("sha256").update(readFileSync(cache)).digest("hex");
  const ours = [...new Set(states)].flatMap(stepsIn);
  const read = new Set([
    last,
    ...stored.map(({ base }) => base),
    ...ours.filter(({ done }) => done).map(({ before }) => before),
  ]);
  for (const { before, after } of ours) if (read.has(after)) read.add(before);
  // In the end everybody is done, and our part still works on what mediabox left.
  const driver = await startDriver(shared);
  await untilDone(() => cleanOnce(driver, directory));
  await driver.stop();
  return {
    seen,
    published: ours.filter(({ done }) => done).length,
    // A content of mediabox that nobody took as the base of the next one was overwritten unseen, and only we could.
    overwritten: stored.filter(({ wrote }) => !read.has(wrote)).length,
    lostOurs: ours.filter(({ done, after }) => done && !read.has(after)).length,
    left: readFileSync(cache, "utf8").includes("orphan-"),
  };
}

/** A directory whose cache holds `present` entries in order, `orphans` whose media is gone, and media for mediabox. */
function makeCrowdedDirectory(present: number, orphans = 0, boxed = 0) {
  const directory = join(makePlace("library"), "films");
  const make = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, n) => writeMedia(directory, `${prefix}-${n}.mkv`, `${prefix} ${n}`));
  const gone = make(orphans, "orphan");
  const cache = writeCache(
    directory,
    [...make(present, "base"), ...gone].map((path) => entryFor(path)),
  );
  for (const path of gone) unlinkSync(path);
  make(boxed, "box");
  return { directory, cache };
}

function keyOf(path: string): string {
  return /"([0-9a-f]{64})"/.exec(entryFor(path))?.[1] ?? "";
}

/** Runs one loop for each state directory, each in a process of its own and all at once. */
async function withDrivers(
  states: readonly string[],
  work: (driver: Driver, index: number) => Promise<void>,
): Promise<void> {
  const drivers = await Promise.all(states.map((state) => startDriver(state)));
  await Promise.all(drivers.map(work));
  await Promise.all(drivers.map((driver) => driver.stop()));
}

/** Plans and applies a cleanup of at most so many entries. */
async function cleanOnce(driver: Driver, directory: string, most = 1000): Promise<Answer> {
  const planned = await driver.run("cleanup", { paths: [directory], maxEntries: most, allow: ["stale_ratio"] });
  if (planned?.output?.["status"] !== "ready") return planned;
  return driver.run("apply", { plan: String(planned.output["plan"]) });
}

/** Somebody else being faster is no failure: one tries again. Everything else is. */
async function untilDone(attempt: () => Promise<Answer>): Promise<void> {
  for (;;) {
    const answer = await attempt();
    if (answer?.outcome === "ok" || answer?.output?.["status"] === "empty") return;
    assert.ok(["stale_plan", "locked", "partial"].includes(answer?.outcome ?? "died"), JSON.stringify(answer));
  }
}

/** Those that a failed test would leave behind. */
const children = new Set<ChildProcess>();

atEnd(() => {
  for (const child of children) child.kill("SIGKILL");
});

function watch(cache: string) {
  const child = spawn(process.execPath, [NEIGHBOUR, "watch", cache], { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  const output = text(child.stdout);
  return {
    async stop(): Promise<Seen> {
      child.stdin.end();
      return JSON.parse(await output) as Seen;
    },
  };
}

/** What the journals say about every content of ours: what it replaced, and whether it was seen in place. */
function stepsIn(directory: string): { before: string; after: string; done: boolean }[] {
  const state = openState(directory);
  const rows = state.all(
    "SELECT json_extract(before, '$.sha256') AS before, json_extract(after, '$.sha256') AS after, state FROM steps",
  );
  state.close();
  return rows.map(({ before, after, state: outcome }) => ({
    before: String(before),
    after: String(after),
    done: outcome === "done",
  }));
}
