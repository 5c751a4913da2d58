import assert from "node:assert/strict";
import { existsSync, unlinkSync } from "node:fs";
import { join } from "node:path";

import { openState } from "../../../shared/index.ts";
import { makeMovies } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";
import { fuzzCache, fuzzConfiguration, fuzzPickle, makeCallFuzz, makeStoreFuzz, type Fuzz } from "../fuzz.ts";
import { eachCase, type Row } from "../row.ts";
import { operate, planCleanup } from "../scene.ts";

/** No input may keep a processor longer. */
const LONGEST_US = 1_000_000;

export const fuzz: Row = {
  name: "fuzz",
  what: "odd, cut and changed inputs: caches (70 %, each edited at random), pickles of media-audit (20 %), configurations (5 %), stored plans and journals (4 %), arguments of tools (1 %)",
  required:
    "taken, or refused with an error of ours; both readers of caches agree; an edit keeps what it keeps byte for byte; no input takes a second; no prototype changes; nothing is executed",
  count: 1_000_000,
  quick: 3_000,
  async run(task) {
    const root = makePlace("library");
    const [gone] = makeMovies(join(root, "films"), ["Gone.mkv", "Here.mkv"]);
    unlinkSync(gone ?? "");
    const stateDirectory = makePlace("state");
    const plan = await planCleanup(stateDirectory, [root]);
    const { run } = await operate(stateDirectory, "apply", { plan });
    const state = openState(stateDirectory);
    const store = makeStoreFuzz(state, plan, String(run));
    const call = makeCallFuzz(root);
    const choose = (share: number): Fuzz =>
      share < 70 ? fuzzCache : share < 90 ? fuzzPickle : share < 95 ? fuzzConfiguration : share < 99 ? store : call;
    await eachCase(task, async (number) => {
      const before = process.cpuUsage();
      task.count(await choose(number % 100)(task.diceOf(number)));
      const { user, system } = process.cpuUsage(before);
      assert.ok(user + system < LONGEST_US, `it took ${user + system} µs`);
      assert.equal((Object.prototype as Record<string, unknown>)["polluted"], undefined);
      // The deadline is looked at on a timer, which needs its turn.
      if (number % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    });
    state.close();
    assert.ok(!existsSync("/tmp/cache-ops-was-here"), "a pickle was executed");
  },
};
