import assert from "node:assert/strict";
import { env } from "node:process";

import { crowd, crowdWithMediabox } from "./crowd.ts";

/** How often each process does its work: more with CACHE_OPS_FAULT_ROUNDS. */
const ROUNDS = Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 8) || 100;

describe("many processes at one cache file", function () {
  this.timeout(3_600_000);

  it("lose no entry, bring none back, and never show a reader anything but a whole file", async () => {
    const { lost, returned, seen } = await crowd(ROUNDS);
    assert.deepEqual([lost, returned], [[], []]);
    assert.deepEqual([seen.torn, seen.absent], [[], 0]);
    assert.ok(seen.reads > 1000);
  });

  it("with mediabox writing among them overwrite next to nothing that it stores, and show a reader whole files only", async () => {
    const { published, overwritten, seen, left } = await crowdWithMediabox(ROUNDS * 20);
    assert.ok(published > 0, `${published} changes of ours were published`);
    // Between the last comparison and the rename lie some microseconds in which nothing can be noticed.
    assert.ok(overwritten <= Math.ceil(published / 100), `${overwritten} of ${published}`);
    assert.deepEqual([seen.torn, left], [[], false]);
  });
});
