import assert from "node:assert/strict";

import type { RootRow } from "../../extension/protocol.ts";
import type { RunLine } from "../../extension/runs.ts";
import { lastCleanupIn, librariesIn, statusText, type Figures } from "../../extension/status-figures.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const DAY = 86_400_000;

function row(parts: Partial<RootRow>): RootRow {
  return {
    library: "films",
    root: "/films",
    state: "healthy",
    detail: "",
    caches: 1,
    entries: 10,
    bytes: 100,
    stale: 0,
    byProblem: {},
    troubles: 0,
    ...parts,
  };
}

function figures(roots: readonly RootRow[], lastCleanup: Figures["lastCleanup"] = null): Figures {
  return { about: "", at: NOW - 2 * DAY, libraries: librariesIn({ at: NOW - 2 * DAY, roots }), lastCleanup };
}

function run(parts: Partial<RunLine>): RunLine {
  return {
    run: "r1",
    plan: "p1",
    undoes: null,
    undoneBy: null,
    status: "complete",
    startedAt: "2026-11-20T12:00:00.000Z",
    entries: 5,
    caches: 1,
    reclaimedBytes: 500,
    canUndo: true,
    ...parts,
  };
}

describe("the status bar", () => {
  it("adds the roots of a library up, and all libraries", () => {
    const all = figures([row({ stale: 3 }), row({ root: "/more", stale: 4 }), row({ library: "shows", stale: 1 })]);
    assert.deepEqual(
      all.libraries.map(({ name, caches, stale }) => [name, caches, stale]),
      [
        ["films", 2, 7],
        ["shows", 1, 1],
      ],
    );
    assert.equal(statusText(all, true, NOW).text, "$(archive) 8 stale");
  });

  it("says when it was last cleaned up, and for a session without a look of what time the figures are", () => {
    const last = { at: NOW - DAY, entries: 5, bytes: 500 };
    const { text, label, isWrong } = statusText(figures([row({})], last), false, NOW);
    assert.equal(text, "$(archive) nothing stale · cleaned 1d ago");
    assert.equal(label, "Cache Ops: nothing stale, cleaned 1d ago, as of 2d ago");
    assert.equal(isWrong, false);
  });

  it("warns of a library that cannot be looked at, but only once that was seen in this session", () => {
    const missing = figures([row({ stale: 2 }), row({ library: "shows", state: "missing", detail: "not there" })]);
    const now = statusText(missing, true, NOW);
    assert.equal(now.isWrong, true);
    assert.equal(now.text, "$(warning) 2 stale");
    assert.match(now.label, /cannot look at shows/);
    assert.deepEqual(
      missing.libraries.map(({ away }) => away),
      [[], ["/films is not there"]],
    );
    assert.equal(statusText(missing, false, NOW).isWrong, false);
  });

  it("does not warn of what is only stale, nor before anything was looked at", () => {
    assert.equal(statusText(figures([row({ stale: 1000 })]), true, NOW).isWrong, false);
    assert.deepEqual(statusText(undefined, false, NOW), {
      text: "$(archive) Cache Ops",
      label: "Cache Ops: not looked at yet",
      isWrong: false,
    });
  });

  it("takes as the last cleanup the newest that removed something and was not taken back", () => {
    const lines = [
      run({ run: "undo", plan: null, undoes: "r4" }),
      run({ run: "r4", undoneBy: "undo" }),
      run({ run: "r3", entries: 0, status: "refused" }),
      run({ run: "r2", entries: 2, reclaimedBytes: 20, startedAt: "2026-11-19T12:00:00.000Z" }),
      run({ run: "r1" }),
    ];
    assert.deepEqual(lastCleanupIn(lines), { at: NOW - 2 * DAY, entries: 2, bytes: 20 });
    assert.equal(lastCleanupIn([]), null);
  });
});
