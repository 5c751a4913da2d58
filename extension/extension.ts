import { CacheOpsError, invoke, operations, type Operation } from "@cache-ops/shared";

import * as vscode from "vscode";

import { contextFor } from "./context.ts";

/** Registers what the extension offers. */
export function activate(extension: vscode.ExtensionContext): void {
  const channel = vscode.window.createOutputChannel("Cache Ops", { log: true });
  const check = operations.find(({ name }) => name === "check");
  if (check === undefined) throw new Error("there is no operation check");
  extension.subscriptions.push(
    channel,
    vscode.commands.registerCommand("cacheOps.check", () => runInWorkspace(check, extension, channel)),
  );
}

/** Runs an operation over the workspace's folders, with progress and cancel, and shows its result in the channel. */
async function runInWorkspace(
  operation: Operation,
  extension: vscode.ExtensionContext,
  channel: vscode.LogOutputChannel,
): Promise<unknown> {
  const paths = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
  if (paths.length === 0) {
    void vscode.window.showInformationMessage("Open a folder with media to check its caches.");
    return undefined;
  }
  const options = { location: vscode.ProgressLocation.Notification, title: operation.title, cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    const { context, close } = contextFor(extension, progress, token);
    try {
      const output = await invoke(operation, { paths }, context);
      const { title, table, notes } = operation.view(output);
      channel.info(title);
      for (const row of table.rows) channel.info(row.join("  "));
      for (const note of notes) channel.info(note);
      void vscode.window.showInformationMessage(title);
      return output;
    } catch (error) {
      if (!(error instanceof CacheOpsError)) throw error;
      channel.error(error.message);
      void vscode.window.showErrorMessage(`${error.message}. ${error.hint ?? ""}`);
      return undefined;
    } finally {
      close();
    }
  });
}
