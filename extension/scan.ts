import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { invokeShown } from "./invoke.ts";
import { openReport } from "./report.ts";
import { undoRun } from "./run-result.ts";

/** Scans media with progress and cancel, says what came of it, and offers the way back. */
export async function runScan(editor: Editor, input: Readonly<Record<string, unknown>>): Promise<void> {
  const result = await invokeShown(editor, "scan", input);
  if (result === undefined) return;
  const { runs, failures, errors } = result.output as {
    readonly runs: readonly string[];
    readonly failures: readonly unknown[];
    readonly errors: readonly unknown[];
  };
  for (const run of runs) await editor.runs.noticed(run);
  const left = failures.length + errors.length;
  const [back, report] = ["Undo", "Show Report"];
  const [run] = runs;
  // Several runs, as a huge library needs them, are undone one by one in the history.
  const buttons = [...(runs.length === 1 ? [back] : []), report];
  const text = `Cache Ops: ${result.view.title}${left > 0 ? ` ${left.toLocaleString()} left out.` : ""}`;
  editor.log.info(text);
  const show = result.outcome === "ok" ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
  const choice = await show(text, ...buttons);
  if (choice === back && run !== undefined) await undoRun(editor, run);
  if (choice === report) await openReport("Scan", result);
}
