import type { Problem } from "@cache-ops/shared";

import * as vscode from "vscode";

import { isStale } from "../problems.ts";
import { explain, prospect } from "../words.ts";
import { nameOf } from "./facts.ts";
import type { CacheFiles } from "./model.ts";
import { characterAt, endOfKey } from "./text.ts";

/** Under which name the Problems view shows what is wrong with a cache. */
export const SOURCE = "Cache Ops";

/** What is wrong with an open cache, or with entries in it. Empty while that is not known. */
export function diagnosticsOf(files: CacheFiles, document: vscode.TextDocument): vscode.Diagnostic[] {
  const inspection = files.known(document)?.inspection;
  if (inspection === undefined) return [];
  const text = document.getText();
  const rangeOf = (start: number, end: number) =>
    new vscode.Range(document.positionAt(start), document.positionAt(end));
  if (inspection.damage !== null) {
    const { rule, offset } = inspection.damage;
    const start = Math.min(characterAt(text, offset), Math.max(0, text.length - 1));
    const message = `${explain("corrupt", rule, `byte ${offset}`)} ${prospect("corrupt", rule, true)}`;
    return [diagnostic(rangeOf(start, start + 1), message, vscode.DiagnosticSeverity.Error, rule)];
  }
  return inspection.entries.flatMap((entry) => {
    const { problem, reason, start, end } = entry;
    if (problem === null || reason === null) return [];
    const message = `${nameOf(entry)}: ${problem}. ${explain(problem, reason.rule, reason.observed)} ${prospect(problem, reason.rule)}`;
    return [diagnostic(rangeOf(start, endOfKey(text, start, end)), message, severityOf(problem), reason.rule)];
  });
}

function severityOf(problem: Problem): vscode.DiagnosticSeverity {
  return isStale(problem) || problem === "corrupt"
    ? vscode.DiagnosticSeverity.Warning
    : vscode.DiagnosticSeverity.Information;
}

function diagnostic(range: vscode.Range, message: string, severity: vscode.DiagnosticSeverity, rule: string) {
  const made = new vscode.Diagnostic(range, message, severity);
  made.source = SOURCE;
  made.code = rule;
  return made;
}
