import * as vscode from "vscode";

import { isStale } from "../problems.ts";
import { cleanupOf, commandOf, remediesFor, repairOf, type Remedy } from "./commands.ts";
import { SOURCE } from "./diagnostics.ts";
import type { CacheFiles } from "./model.ts";

/** Offers ways out of what the diagnostics say. Each opens a review first; no fix edits the buffer. */
export function fixProvider(files: CacheFiles): vscode.CodeActionProvider {
  return {
    provideCodeActions(document, _range, { diagnostics }) {
      const own = diagnostics.filter(({ source }) => source === SOURCE);
      const inspection = files.known(document)?.inspection;
      if (inspection === undefined || own.length === 0) return [];
      return own.flatMap((diagnostic) => {
        if (inspection.damage !== null) return [fix(repairOf(document.uri), diagnostic, true)];
        const offset = document.offsetAt(diagnostic.range.start);
        const entry = inspection.entries.find(({ start }) => start === offset);
        if (entry === undefined) return [];
        const [best, ...rest] = remediesFor(document, entry);
        return [
          ...(best ? [fix(best, diagnostic, true)] : []),
          ...(isStale(entry.problem) ? [fix(cleanupOf(document.uri), diagnostic)] : []),
          ...rest.map((remedy) => fix(remedy, diagnostic)),
        ];
      });
    },
  };
}

/** What kinds of action the provider makes. */
export const FIX_KINDS: vscode.CodeActionProviderMetadata = {
  providedCodeActionKinds: [vscode.CodeActionKind.QuickFix],
};

function fix(remedy: Remedy, diagnostic: vscode.Diagnostic, isPreferred = false): vscode.CodeAction {
  const action = new vscode.CodeAction(remedy.title, vscode.CodeActionKind.QuickFix);
  action.command = commandOf(remedy);
  action.diagnostics = [diagnostic];
  action.isPreferred = isPreferred;
  return action;
}
