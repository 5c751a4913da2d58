import { Type } from "typebox";

import type { Context } from "../context.ts";
import { latestRuns, loadRun, type Run } from "../journal.ts";
import { assertConfined, isConfined } from "../library.ts";
import { defineOperation } from "../operation.ts";
import { lifeOfRun } from "../run-life.ts";
import { rootsOf } from "../passport.ts";
import { reportSummary, ReportSummary, reportView } from "../report-view.ts";
import { undoSentence } from "../sentence.ts";
import { isUndoable } from "../undo.ts";
import { formatBytes } from "../units.ts";
import { count } from "../view.ts";

const RunLine = Type.Object(
  {
    run: Type.String(),
    plan: Type.Union([Type.String(), Type.Null()]),
    undoes: Type.Union([Type.String(), Type.Null()]),
    undoneBy: Type.Union([Type.String(), Type.Null()]),
    status: Type.Enum(["running", "interrupted", "complete", "partial", "refused", "cancelled"], {
      description: "interrupted: its process died; apply its plan again to go on, or undo it.",
    }),
    startedAt: Type.String(),
    entries: Type.Integer(),
    caches: Type.Integer(),
    reclaimedBytes: Type.Integer(),
    canUndo: Type.Boolean(),
    acknowledge: Type.Union([Type.String(), Type.Null()], {
      description: "To repeat to undo, where that is possible.",
    }),
  },
  { additionalProperties: false },
);

/** Shows what was done. */
export const history = defineOperation({
  name: "history",
  title: "Show history",
  description: "Lists past runs, or shows the report of one: what it did, what it refused, whether it can be undone.",
  effect: "read",
  input: Type.Object(
    {
      run: Type.Optional(Type.String({ minLength: 1, description: "Id of the run to show in full." })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 20, description: "Most runs to list." })),
    },
    { additionalProperties: false },
  ),
  positional: "run",
  output: Type.Object(
    { runs: Type.Array(RunLine), report: Type.Union([ReportSummary, Type.Null()]) },
    { additionalProperties: false },
  ),
  rows: "runs",
  async run({ run, limit }, context) {
    const state = context.state();
    if (run === undefined) {
      const runs = await onlyConfined(latestRuns(state, limit ?? 20), context);
      return { runs: runs.map(lineOf), report: null };
    }
    const found = loadRun(state, run);
    await assertConfined(rootsOf(found.work.passports), context);
    return { runs: [lineOf(found)], report: found.report && reportSummary(found.report, "full") };
  },
  outcome: () => "ok",
  view({ runs, report }) {
    if (report !== null) return reportView(report);
    return {
      title: runs.length === 0 ? "Nothing was done yet." : `The last ${count(runs.length, "run")}.`,
      facts: [],
      table: {
        columns: ["Run", "When", "Status", "Entries", "Caches", "Freed", "Undo"],
        rows: runs.map((line) => [
          line.run,
          line.startedAt,
          line.undoes === null ? line.status : `undo, ${line.status}`,
          line.entries,
          line.caches,
          formatBytes(line.reclaimedBytes),
          line.undoneBy === null ? (line.canUndo ? "possible" : "-") : `undone by ${line.undoneBy}`,
        ]),
      },
      notes: [],
    };
  },
});

/** The runs a confined caller may see: those about its libraries. */
async function onlyConfined(runs: readonly Run[], context: Context): Promise<Run[]> {
  const seen: Run[] = [];
  for (const run of runs) if (await isConfined(rootsOf(run.work.passports), context)) seen.push(run);
  return seen;
}

function lineOf(run: Run) {
  const { report } = run;
  return {
    run: run.id,
    plan: run.plan,
    undoes: run.undoes,
    undoneBy: run.undoneBy,
    status: run.state !== "running" ? run.state : lifeOfRun(run) === "dead" ? ("interrupted" as const) : run.state,
    startedAt: new Date(run.startedAt).toISOString(),
    entries: report?.entries ?? 0,
    caches: report?.caches ?? 0,
    reclaimedBytes: report?.reclaimedBytes ?? 0,
    canUndo: isUndoable(run),
    acknowledge: isUndoable(run) ? undoSentence(run) : null,
  };
}
