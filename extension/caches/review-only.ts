import type { Change } from "@cache-ops/shared";

import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import { invokeShown } from "../invoke.ts";

/** Plans by this input, takes only the changes that are wanted, and opens them for review. */
export async function reviewOnly(
  editor: Editor,
  name: "cleanup" | "repair",
  input: Readonly<Record<string, unknown>>,
  isWanted: (change: Change) => boolean,
): Promise<void> {
  const result = await invokeShown(editor, name, { ...input, detail: "full" });
  if (result === undefined) return;
  const changes = (result.output["changes"] ?? []) as readonly Change[];
  const only = changes.filter(isWanted).map(({ id }) => id);
  if (only.length === 0 && result.output["status"] !== "blocked") {
    void vscode.window.showInformationMessage(`Cache Ops: a ${name} leaves this entry alone. Its hover says why.`);
    return;
  }
  const plan = only.length === 0 ? result : await invokeShown(editor, name, { from: result.output["plan"], only });
  if (plan !== undefined) await vscode.commands.executeCommand("cacheOps.review.open", { ...plan.output, input });
}
