import { Type } from "typebox";

import { CacheOpsError } from "../errors.ts";
import { latestRuns, loadRun } from "../journal.ts";
import { rootsOf } from "../passport.ts";
import { assertConfined } from "../library.ts";
import { defineOperation } from "../operation.ts";
import { reportOutcome, reportSummary, ReportSummary, reportView } from "../report-view.ts";
import { assertAcknowledged, undoSentence } from "../sentence.ts";
import { isUndoable, undoRun } from "../undo.ts";
import { Acknowledge, Detail } from "./input.ts";

/** Takes a run back. */
export const undo = defineOperation({
  name: "undo",
  title: "Undo a run",
  description:
    "Puts back what a run changed or removed: bytes, mode, owner and times. Refuses files that changed since. Can itself be undone.",
  effect: "write",
  input: Type.Object(
    {
      run: Type.String({ minLength: 1, description: "Id of the run, or last: the newest that can be undone." }),
      acknowledge: Acknowledge,
      detail: Detail,
    },
    { additionalProperties: false },
  ),
  positional: "run",
  output: Type.Object(
    {
      ...ReportSummary.properties,
      restored: Type.Integer({ description: "Files that were put back." }),
    },
    { additionalProperties: false },
  ),
  rows: "outcomes",
  async run({ run, acknowledge, detail }, context) {
    const id = run === "last" ? latestRuns(context.state(), 1000).find(isUndoable)?.id : run;
    if (id === undefined) {
      throw new CacheOpsError("not_found", "there is no run that could be undone", { hint: "history lists all runs." });
    }
    const found = loadRun(context.state(), id);
    await assertConfined(rootsOf(found.work.passports), context);
    assertAcknowledged(acknowledge, undoSentence(found));
    const report = reportSummary(await undoRun(id, context), detail);
    return { ...report, restored: report.files };
  },
  outcome: reportOutcome,
  view: reportView,
});
