import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { invokeShown } from "./invoke.ts";
import { plain } from "./plain.ts";
import type { Result } from "./protocol.ts";
import { openReport } from "./report.ts";

/** Takes a run back without another question and shows what came of it. */
export async function undoRun(editor: Editor, run: string): Promise<void> {
  const result = await invokeShown(editor, "undo", { run, detail: "full" });
  if (result !== undefined) await showRun(editor, "Undo", result);
}

/** Shows what a run did, with the way back. The trees look again at what it changed. */
export async function showRun(editor: Editor, title: string, result: Result): Promise<void> {
  const { run, undoUntil, refused } = result.output as {
    readonly run: string;
    readonly undoUntil: string | null;
    readonly refused: readonly { readonly file: string; readonly message: string }[];
  };
  await editor.runs.noticed(run);
  const [back, report] = ["Undo", "Show Report"];
  const buttons = [...(undoUntil === null || title === "Undo" ? [] : [back]), report];
  // The report names all of them; of one, the message says what became of it.
  const [first] = refused;
  const why = first !== undefined && refused.length === 1 ? ` ${plain(`${first.file}: ${first.message}`)}` : "";
  const text = `Cache Ops: ${result.view.title}${why}`;
  editor.log.info(`${run}: ${result.view.title}`);
  const show =
    result.outcome === "ok"
      ? vscode.window.showInformationMessage
      : result.outcome === "interrupted" || result.outcome === "partial"
        ? vscode.window.showWarningMessage
        : vscode.window.showErrorMessage;
  const choice = await show(text, ...buttons);
  if (choice === back) await undoRun(editor, run);
  if (choice === report) await openReport(title, result);
}
