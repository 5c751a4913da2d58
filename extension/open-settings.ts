import * as vscode from "vscode";

/**
 * Opens the settings that match a query. Paths and guards are settings of the machine: where the files are on another
 * host than the window, the editor shows those in a part of their own.
 */
export async function openSettings(query = "@ext:cache-ops.cache-ops"): Promise<void> {
  if (vscode.env.remoteName === undefined) {
    await vscode.commands.executeCommand("workbench.action.openSettings", query);
  } else {
    await vscode.commands.executeCommand("workbench.action.openRemoteSettings", { query });
  }
}
