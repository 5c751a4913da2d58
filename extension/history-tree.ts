import { formatBytes } from "@cache-ops/shared/units";

import * as vscode from "vscode";

import { ago } from "./age.ts";
import type { Editor } from "./editor.ts";
import { invokeShown, showError } from "./invoke.ts";
import { openReport } from "./report.ts";
import { undoRun } from "./run-result.ts";
import type { RunLine } from "./runs.ts";

/** Shows what was done, by this editor, agents, the command line and cron, each with its way back. */
export function registerHistory(editor: Editor): void {
  const { extension, runs, log } = editor;
  const changed = new vscode.EventEmitter<void>();
  const provider: vscode.TreeDataProvider<RunLine> = {
    onDidChangeTreeData: changed.event,
    async getChildren(line) {
      if (line !== undefined) return [];
      try {
        return [...(runs.lines ?? (await runs.refresh()))];
      } catch (error) {
        void showError(error, log);
        return [];
      }
    },
    getTreeItem: itemOf,
  };
  extension.subscriptions.push(
    changed,
    vscode.window.createTreeView("cacheOps.history", { treeDataProvider: provider, showCollapseAll: false }),
    runs.onDidChange(() => changed.fire()),
    vscode.commands.registerCommand("cacheOps.history.refresh", () =>
      runs.refresh().catch((error: unknown) => showError(error, log)),
    ),
    vscode.commands.registerCommand("cacheOps.history.undo", (line: RunLine) => undoRun(editor, line.run)),
    vscode.commands.registerCommand("cacheOps.history.show", async ({ run }: RunLine) => {
      const result = await invokeShown(editor, "history", { run });
      if (result !== undefined) await openReport(run, result);
    }),
  );
}

function itemOf(line: RunLine): vscode.TreeItem {
  const { run, entries, caches, reclaimedBytes, undoes, undoneBy, status, startedAt, canUndo } = line;
  // What was done is counted when a run ends.
  const isCounted = status !== "running" && status !== "interrupted";
  const counts = `${entries} ${entries === 1 ? "entry" : "entries"} in ${caches} ${caches === 1 ? "cache" : "caches"}`;
  const what = isCounted ? counts : "not counted yet";
  const item = new vscode.TreeItem(undoes === null ? what : `Undo: ${what}`);
  const freed =
    reclaimedBytes < 0 ? `${formatBytes(-reclaimedBytes)} put back` : `${formatBytes(reclaimedBytes)} freed`;
  const size = isCounted ? freed : "";
  const state = undoneBy !== null ? "undone" : status === "complete" ? "" : status;
  item.id = run;
  item.description = [size, ago(Date.parse(startedAt), Date.now()), state].filter((part) => part !== "").join(" · ");
  item.accessibilityInformation = { label: `${undoes === null ? what : `Undo: ${what}`}, ${item.description}` };
  item.iconPath = iconOf(line);
  // A run at work can be undone once it has ended.
  const isUndoable = canUndo && status !== "running";
  item.contextValue = isUndoable ? "run.undoable" : "run";
  item.tooltip = [
    run,
    `${new Date(startedAt).toLocaleString()}: ${status}`,
    undoes === null ? "" : `Takes back ${undoes}.`,
    undoneBy === null ? "" : `Taken back by ${undoneBy}.`,
    isUndoable ? "Can be undone." : "",
  ]
    .filter((part) => part !== "")
    .join("\n");
  item.command = { command: "cacheOps.history.show", title: "Show Report", arguments: [line] };
  return item;
}

function iconOf({ status, undoes, undoneBy }: RunLine): vscode.ThemeIcon {
  if (status === "running") return new vscode.ThemeIcon("sync~spin");
  if (status === "interrupted")
    return new vscode.ThemeIcon("debug-disconnect", new vscode.ThemeColor("list.errorForeground"));
  if (status === "refused") return new vscode.ThemeIcon("error", new vscode.ThemeColor("list.errorForeground"));
  if (status !== "complete") return new vscode.ThemeIcon("warning", new vscode.ThemeColor("list.warningForeground"));
  return new vscode.ThemeIcon(undoes === null ? (undoneBy === null ? "pass" : "circle-slash") : "discard");
}
