import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import { makeDecorations } from "./decorations.ts";
import { diagnosticsOf, SOURCE } from "./diagnostics.ts";
import { FIX_KINDS, fixProvider } from "./fixes.ts";
import { hoverProvider } from "./hover.ts";
import { lensProvider, LOOK } from "./lenses.ts";
import { CACHE_FILES, followCacheFiles } from "./model.ts";
import { probeHoverProvider } from "./probe-hover.ts";

/**
 * Registers help for `.mediabox_cache.json` in the editor: hovers, lenses, diagnostics with quick fixes, decorations.
 * All of it only reads; every way out leads to a review.
 */
export function registerCacheFile(editor: Editor): void {
  const files = followCacheFiles(editor);
  const diagnostics = vscode.languages.createDiagnosticCollection(SOURCE);
  const decorations = makeDecorations(files);
  const lensesChanged = new vscode.EventEmitter<void>();
  editor.extension.subscriptions.push(
    diagnostics,
    decorations,
    lensesChanged,
    files.onDidLook((document) => {
      diagnostics.set(document.uri, diagnosticsOf(files, document));
      decorations.show();
      lensesChanged.fire();
    }),
    vscode.window.onDidChangeVisibleTextEditors(() => decorations.show()),
    // The editor puts the hovers that were registered last on top.
    vscode.languages.registerHoverProvider(CACHE_FILES, probeHoverProvider(editor, files)),
    vscode.languages.registerHoverProvider(CACHE_FILES, hoverProvider(files)),
    vscode.languages.registerCodeLensProvider(CACHE_FILES, lensProvider(files, lensesChanged.event)),
    vscode.languages.registerCodeActionsProvider(CACHE_FILES, fixProvider(files), FIX_KINDS),
    vscode.commands.registerCommand(LOOK, (uri: vscode.Uri) => files.insist(uri)),
  );
}
