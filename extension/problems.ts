import * as vscode from "vscode";

import type { Problem } from "@cache-ops/shared";

/** The problems a cleanup may act on. */
const STALE: readonly Problem[] = ["orphaned", "superseded", "expired", "leftover"];

/** Every problem, stale ones first, in the order of the core. */
export const PROBLEMS: readonly Problem[] = [...STALE, "changed", "drifted", "corrupt", "oversize", "unreachable"];

/** Whether a cleanup may remove an entry with this problem. */
export function isStale(problem: Problem | null): boolean {
  return problem !== null && STALE.includes(problem);
}

const ICONS: Readonly<Record<Problem, readonly [icon: string, color?: string]>> = {
  orphaned: ["trash", "list.warningForeground"],
  superseded: ["replace", "list.warningForeground"],
  expired: ["clock", "list.warningForeground"],
  leftover: ["file-binary", "list.warningForeground"],
  changed: ["diff-modified"],
  drifted: ["arrow-both"],
  corrupt: ["error", "list.errorForeground"],
  oversize: ["arrow-up"],
  unreachable: ["question"],
};

/** The icon of a problem; of `null`: of an entry in order. */
export function iconOf(problem: Problem | null): vscode.ThemeIcon {
  if (problem === null) return new vscode.ThemeIcon("pass", new vscode.ThemeColor("disabledForeground"));
  const [icon, color] = ICONS[problem];
  return new vscode.ThemeIcon(icon, color === undefined ? undefined : new vscode.ThemeColor(color));
}

/** Counts by problem in words: `3 orphaned, 1 corrupt`. */
export function countsText(byProblem: Readonly<Record<string, number>>): string {
  return Object.entries(byProblem)
    .map(([problem, count]) => `${count.toLocaleString()} ${problem}`)
    .join(", ");
}
