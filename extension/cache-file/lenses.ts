import * as vscode from "vscode";

import { isStale } from "../problems.ts";
import { explain, inShort } from "../words.ts";
import { cleanupOf, commandOf, remediesFor, repairOf } from "./commands.ts";
import type { CacheFiles, Seen } from "./model.ts";

/** Looks into a document that is too large to be looked into by itself; not in the palette, for its lens only. */
export const LOOK = "cacheOps.cacheFile.look";

/** Says above the file what is in it, and above each stale entry why it is. `editor.codeLens` turns it off. */
export function lensProvider(files: CacheFiles, onDidChange: vscode.Event<void>): vscode.CodeLensProvider {
  return {
    onDidChangeCodeLenses: onDidChange,
    async provideCodeLenses(document, token) {
      const seen = await files.look(document, token);
      if (seen === undefined) return [];
      const top = new vscode.Range(0, 0, 0, 0);
      return [
        ...headOf(document, seen).map((command) => new vscode.CodeLens(top, command)),
        ...(seen.inspection?.entries ?? []).flatMap((entry) => {
          if (entry.problem === null || !isStale(entry.problem)) return [];
          const at = document.positionAt(entry.start);
          const range = new vscode.Range(at, at);
          const [clean, keep] = remediesFor(document, entry);
          return [
            ...(clean ? [commandOf(clean, `${inShort(entry.problem)} — Clean Up…`)] : []),
            ...(keep ? [commandOf(keep, "Keep")] : []),
          ].map((command) => new vscode.CodeLens(range, command));
        }),
      ];
    },
  };
}

function headOf({ uri }: vscode.TextDocument, { inspection, obstacle }: Seen): vscode.Command[] {
  const show = { command: "cacheOps.reveal", title: "Show in Tree", arguments: [uri.fsPath] };
  const cleanUp = commandOf(cleanupOf(uri), "Clean Up This Cache…");
  if (obstacle === "too_large") {
    const look = { command: LOOK, title: "Larger than 20 MB, not looked into — Look Now", arguments: [uri] };
    return [look, cleanUp, show];
  }
  if (inspection === undefined) {
    return [{ command: "cacheOps.showLog", title: "Cache Ops could not look into this file — Show Log" }];
  }
  const { damage, entries, troubles } = inspection;
  if (damage !== null) {
    const why = explain("corrupt", damage.rule, `byte ${damage.offset}`);
    return [commandOf(repairOf(uri), `${why} — Repair This Cache…`)];
  }
  const [trouble] = troubles;
  if (entries.length === 0 && trouble !== undefined) return [label(`Not judged: ${trouble.message} (${trouble.code})`)];
  const stale = entries.filter(({ problem }) => isStale(problem)).length;
  const others = entries.filter(({ problem }) => problem !== null && !isStale(problem)).length;
  const parts = [
    entries.length === 1 ? "1 entry" : `${entries.length.toLocaleString("en")} entries`,
    stale === 0 ? "nothing stale" : `${stale.toLocaleString("en")} stale`,
    ...(others === 0 ? [] : [`${others.toLocaleString("en")} with other problems`]),
  ];
  return [label(parts.join(", ")), ...(stale === 0 ? [] : [cleanUp]), show];
}

/** A lens that says something and does nothing. */
function label(title: string): vscode.Command {
  return { command: "", title };
}
