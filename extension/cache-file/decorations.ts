import * as vscode from "vscode";

import { isStale } from "../problems.ts";
import type { CacheFiles } from "./model.ts";

/** Fades stale entries and marks them, and other problems, beside the scroll bar. */
export function makeDecorations(files: CacheFiles): vscode.Disposable & { show(): void } {
  let types = makeTypes();
  const show = () => {
    for (const editor of vscode.window.visibleTextEditors) {
      const { document } = editor;
      const entries = files.known(document)?.inspection?.entries;
      // What was drawn moves along with edits until more is known.
      if (entries === undefined) continue;
      const rangesOf = (chosen: typeof entries) =>
        chosen.map(({ start, end }) => new vscode.Range(document.positionAt(start), document.positionAt(end)));
      editor.setDecorations(types.stale, rangesOf(entries.filter(({ problem }) => isStale(problem))));
      const others = entries.filter(({ problem }) => problem !== null && !isStale(problem));
      editor.setDecorations(types.other, rangesOf(others));
    }
  };
  const theming = vscode.window.onDidChangeActiveColorTheme(() => {
    dispose();
    types = makeTypes();
    show();
  });
  const dispose = () => {
    types.stale.dispose();
    types.other.dispose();
  };
  return {
    show,
    dispose: () => {
      theming.dispose();
      dispose();
    },
  };
}

/** High contrast is not to be faded away: there a dotted line beside the entry stands for it. */
function makeTypes() {
  const { HighContrast, HighContrastLight } = vscode.ColorThemeKind;
  const isHighContrast = [HighContrast, HighContrastLight].includes(vscode.window.activeColorTheme.kind);
  return {
    stale: vscode.window.createTextEditorDecorationType({
      ...(isHighContrast
        ? {
            isWholeLine: true,
            borderWidth: "0 0 0 2px",
            borderStyle: "dotted",
            borderColor: new vscode.ThemeColor("editorWarning.foreground"),
          }
        : { opacity: "0.6" }),
      rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
      overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.warningForeground"),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
    }),
    other: vscode.window.createTextEditorDecorationType({
      rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
      overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.infoForeground"),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
    }),
  };
}
