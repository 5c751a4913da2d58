import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { openAnchor } from "../../shared/anchor.ts";
import { publish, remove } from "../../shared/atomic.ts";
import { readSeenFile } from "../../shared/file.ts";
import { CacheOpsError } from "../../shared/index.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";

const ATTACKER = new URL("attacker.py", import.meta.url).pathname;

/** What came of working in a directory that was swapped for a link all the while. */
export interface Swapped {
  /** How often the directory and the link changed places. */
  readonly flips: number;
  /** Attempts that worked in the directory, and those that were refused. Nothing else came of any. */
  readonly inside: number;
  readonly refused: number;
}

/**
 * Replaces one file and removes another, again and again for each of `rounds`, in a directory that an attacker
 * exchanges without pause with a link to a directory outside. Throws as soon as anything outside was touched.
 */
export async function workWhileSwapped(rounds: Iterable<number>): Promise<Swapped> {
  const place = makePlace("swap");
  const library = makeDirectory(place, "library");
  const films = makeDirectory(library, "films");
  const victim = makeDirectory(place, "victim");
  symlinkSync("../victim", join(library, "link"));
  for (const directory of [films, victim]) {
    writeFileSync(join(directory, "replaced"), "old");
    writeFileSync(join(directory, "removed"), "old");
  }
  const untouched = treeState(victim).join("\n");
  const attacker = spawn("python3", [ATTACKER, library], { stdio: ["pipe", "pipe", "inherit"] });
  const output = text(attacker.stdout);
  const done = { inside: 0, refused: 0 };
  try {
    for (const round of rounds) {
      if (await attempt(films, library, round)) done.inside += 1;
      else done.refused += 1;
      assert.equal(treeState(victim).join("\n"), untouched);
    }
  } finally {
    attacker.stdin.end("\n");
  }
  return { flips: Number(await output), ...done };
}

/** Writes and removes in the directory; `false` when it was refused. The files are put back for the next attempt. */
async function attempt(films: string, library: string, round: number): Promise<boolean> {
  let anchor: Awaited<ReturnType<typeof openAnchor>> | undefined;
  try {
    anchor = await openAnchor(films, [library]);
    const { identity } = await readSeenFile(anchor.at("replaced"));
    const bytes = Buffer.from(`new ${round}`);
    const temp = `.cache-ops-run-${round}.tmp`;
    const commit = { assertMayWrite: () => undefined, changed: () => undefined };
    await publish({ anchor, name: "replaced", temp, bytes, replaces: identity, attributes: {}, ...commit });
    await remove(anchor, "removed", (await readSeenFile(anchor.at("removed"))).identity, commit);
    writeFileSync(anchor.at("removed"), "old");
    return true;
  } catch (error) {
    // A link is no directory (ENOTDIR, ELOOP), and what it leads to is outside (forbidden).
    const isRefusal = error instanceof CacheOpsError && error.code === "forbidden";
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (!isRefusal && code !== "ENOTDIR" && code !== "ELOOP") throw error;
    return false;
  } finally {
    await anchor?.close();
  }
}
