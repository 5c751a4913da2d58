import assert from "node:assert/strict";

import { partOf, pastOf, spansOf } from "../../extension/dashboard/past.ts";
import { makeRun } from "./dashboard-data.ts";

const DAY_MS = 86_400_000;
const NOON = new Date(2026, 2, 1, 12).getTime();

describe("the past as the dashboard adds it up", () => {
  const runs = [
    makeRun("died", { status: "interrupted", reclaimedBytes: 0, startedAt: NOON + 3 * DAY_MS }),
    makeRun("undo", { undoes: "undone", reclaimedBytes: -700, startedAt: NOON + 2 * DAY_MS }),
    makeRun("undone", { undoneBy: "undo", reclaimedBytes: 700, startedAt: NOON + DAY_MS }),
    makeRun("stands", { reclaimedBytes: 300, startedAt: NOON }),
  ];

  it("counts an undone run as freed and its undo as put back, and what died as nothing", () => {
    assert.deepEqual(pastOf(runs), {
      standing: 1,
      undone: 1,
      undos: 1,
      running: 0,
      interrupted: 1,
      freedBytes: 1000,
      putBackBytes: 700,
      netBytes: 300,
    });
    assert.deepEqual(runs.map(partOf), ["unmeasured", "undo", "undone", "standing"]);
  });

  it("counts what an undo could not put back as freed", () => {
    const partial = runs.map((run) => (run.run === "undo" ? { ...run, reclaimedBytes: -500 } : run));
    const { putBackBytes, netBytes } = pastOf(partial);
    assert.deepEqual([putBackBytes, netBytes], [500, 500]);
  });

  it("is cut into spans without gaps that hold every run and end with the whole", () => {
    for (const lastDay of [0, 3, 39, 40, 300, 4000]) {
      const now = NOON + Math.max(3, lastDay) * DAY_MS;
      const { days, spans } = spansOf(runs, now);
      assert.ok(spans.length <= 40, `${spans.length} spans of ${days} days`);
      assert.equal(spans.flatMap((span) => span.runs).length, runs.length);
      assert.equal(spans.at(-1)?.netBytes, 300);
      for (const { from } of spans) assert.equal(new Date(from).getHours(), 0);
    }
  });

  it("is empty without runs", () => {
    assert.deepEqual(
      spansOf([], NOON).spans.map((span) => span.runs.length),
      [0],
    );
  });
});
