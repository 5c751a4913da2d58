import assert from "node:assert/strict";

import {
  cleanupsOf,
  idleMemories,
  recordCleanup,
  rememberIdle,
  totalsOf,
} from "../../../shared/caches/engine/ledger.ts";
import { makeContext } from "../../support/context.ts";
import { OTHER, OURS } from "./engine-place.ts";

const KEY = { engine: "ace", container: "one", path: "/srv/cache" };
const NOW = Date.parse("2026-11-21T12:00:00Z");

describe("the ledger of engine caches", () => {
  it("adds up what was freed, and of what is not known nothing", () => {
    const state = makeContext().state();
    assert.deepEqual(totalsOf(state, KEY), { cleanedAt: null, bytesBefore: null, cleanups: 0, freedBytes: 0 });
    recordCleanup(state, KEY, { at: NOW, bytesBefore: 5_000_000_000, bytesAfter: 0, outcome: "complete" });
    recordCleanup(state, KEY, { at: NOW + 1, bytesBefore: 100, bytesAfter: 30, outcome: "partial" });
    recordCleanup(state, KEY, { at: NOW + 2, bytesBefore: 30, bytesAfter: 900, outcome: "partial" });
    recordCleanup(state, KEY, { at: NOW + 3, bytesBefore: 900, bytesAfter: null, outcome: "unverified" });
    recordCleanup(state, { ...KEY, container: "two" }, { at: 1, bytesBefore: 1, bytesAfter: 0, outcome: "complete" });
    const expected = { cleanedAt: NOW + 3, bytesBefore: 900, cleanups: 4, freedBytes: 5_000_000_070 };
    assert.deepEqual(totalsOf(state, KEY), expected);
    assert.deepEqual(
      cleanupsOf(state, KEY, 2).map(({ outcome, bytesAfter }) => [outcome, bytesAfter]),
      [
        ["unverified", null],
        ["partial", 900],
      ],
    );
  });

  it("keeps the last hundred cleanups of each cache, and counts all of them", () => {
    const state = makeContext().state();
    const other = { ...KEY, path: "/srv/other" };
    recordCleanup(state, other, { at: NOW, bytesBefore: 7, bytesAfter: 0, outcome: "complete" });
    for (let at = 0; at < 103; at += 1) {
      recordCleanup(state, KEY, { at, bytesBefore: 1, bytesAfter: 0, outcome: "complete" });
    }
    const kept = cleanupsOf(state, KEY, 1000);
    assert.deepEqual([kept.length, kept[0]?.at, kept.at(-1)?.at], [100, 102, 3]);
    assert.equal(totalsOf(state, KEY).cleanups, 103);
    assert.equal(cleanupsOf(state, other, 1000).length, 1);
  });

  it("keeps the latest look at a container, whoever writes last, and forgets those of a week ago", () => {
    const state = makeContext().state();
    const busy = { container: OURS, lookedAt: NOW, quietSince: null };
    rememberIdle(state, "ace", [busy], NOW);
    rememberIdle(state, "ace", [{ container: OURS, lookedAt: NOW - 1, quietSince: 0 }], NOW);
    rememberIdle(state, "other", [{ container: OURS, lookedAt: NOW, quietSince: 5 }], NOW);
    assert.deepEqual([...idleMemories(state, "ace").values()], [busy]);
    const later = NOW + 8 * 86_400_000;
    const seen = { container: OTHER, lookedAt: later, quietSince: later };
    rememberIdle(state, "ace", [seen], later);
    assert.deepEqual([...idleMemories(state, "ace").values()], [seen]);
  });
});
