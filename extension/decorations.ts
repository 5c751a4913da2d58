import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { errorText } from "./engine.ts";
import { countsText } from "./problems.ts";
import { editorSettings } from "./settings.ts";

/**
 * Marks directories with stale caches in the explorer, where the setting asks for it: as far as the libraries were
 * looked at in this session. Never starts anything by itself.
 */
export function registerDecorations(editor: Editor): void {
  const changed = new vscode.EventEmitter<undefined>();
  const provider: vscode.FileDecorationProvider = {
    onDidChangeFileDecorations: changed.event,
    provideFileDecoration: (uri) => decorationFor(editor, uri),
  };
  // Explorers with many files ask a lot; without the setting nobody is asked.
  let registered: vscode.Disposable | undefined;
  const settle = () => {
    const isWanted = editorSettings().decoratesExplorer;
    if (isWanted === (registered !== undefined)) return;
    registered?.dispose();
    registered = isWanted ? vscode.window.registerFileDecorationProvider(provider) : undefined;
  };
  settle();
  editor.extension.subscriptions.push(
    changed,
    { dispose: () => registered?.dispose() },
    editor.libraries.onDidLook(() => changed.fire(undefined)),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("cacheOps.explorer")) settle();
    }),
  );
}

async function decorationFor(
  { engine, libraries, log }: Editor,
  { scheme, fsPath }: vscode.Uri,
): Promise<vscode.FileDecoration | undefined> {
  if (scheme !== "file" || !engine.isRunning) return undefined;
  const roots = libraries.summary?.roots.filter(({ stale }) => stale > 0) ?? [];
  if (!roots.some(({ root }) => fsPath === root || fsPath.startsWith(`${root}/`))) return undefined;
  try {
    const row = await engine.request("directory", { directory: fsPath });
    if (row === null || row.stale === 0) return undefined;
    const badge = row.stale > 9 ? "9+" : String(row.stale);
    return new vscode.FileDecoration(
      badge,
      `Cache Ops: ${countsText(row.byProblem)}`,
      new vscode.ThemeColor("list.warningForeground"),
    );
  } catch (error) {
    log.warn(`decorations: ${errorText(error)}`);
    return undefined;
  }
}
