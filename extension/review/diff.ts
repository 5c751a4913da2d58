import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import type { PlannedFile } from "../protocol.ts";

const SCHEME = "cache-ops-plan";
/** The editor gets slow with more files in one diff. */
const MAX_FILES = 200;

/** Registers the documents that show files before and after a plan. Their text is worked out, nothing is written. */
export function registerPlanDocuments({ extension, engine }: Editor): void {
  const provider: vscode.TextDocumentContentProvider = {
    async provideTextDocumentContent(uri, token) {
      const { plan, side } = JSON.parse(uri.query) as { readonly plan: string; readonly side: "before" | "after" };
      return (await engine.request("preview", { plan, file: uri.path, side }, { token })) ?? "";
    },
  };
  extension.subscriptions.push(vscode.workspace.registerTextDocumentContentProvider(SCHEME, provider));
}

function uriOf(plan: string, file: string, side: "before" | "after"): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: file, query: JSON.stringify({ plan, side }) });
}

/** Opens what a plan changes as one diff of several files: each file before and after. */
export async function openPlanDiff({ engine }: Editor, plan: string): Promise<void> {
  const { total, rows } = await engine.request("files", { plan, limit: MAX_FILES });
  if (total === 0) {
    void vscode.window.showInformationMessage("Cache Ops: nothing in this plan is a single file; there is no diff.");
    return;
  }
  const title = total > rows.length ? `${plan}: the first ${rows.length} of ${total} files` : `${plan}: ${total} files`;
  const sides = rows.map(({ file, isNew, isRemoved }) => [
    vscode.Uri.file(file),
    isNew ? undefined : uriOf(plan, file, "before"),
    isRemoved ? undefined : uriOf(plan, file, "after"),
  ]);
  await vscode.commands.executeCommand("vscode.changes", title, sides);
}

/** Opens what a plan makes of one file. */
export async function openFileDiff(plan: string, { file, isNew, isRemoved }: PlannedFile): Promise<void> {
  const title = `${file} (${isRemoved ? "removed" : isNew ? "new" : "before ↔ after"})`;
  const [before, after] = [uriOf(plan, file, "before"), uriOf(plan, file, "after")];
  await vscode.commands.executeCommand("vscode.diff", before, after, title, { preview: true });
}
