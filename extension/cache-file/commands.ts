import { dirname } from "node:path";

import type { InspectedEntry } from "@cache-ops/shared";

import type * as vscode from "vscode";

import { isStale } from "../problems.ts";

/** Commands that hover, lenses and quick fixes lead to. Each opens a review, or asks; none changes anything itself. */
export const COMMANDS = ["cacheOps.cleanThis", "cacheOps.keep", "cacheOps.repair", "cacheOps.cleanup"] as const;

/** A way out of a problem. */
export interface Remedy {
  readonly command: (typeof COMMANDS)[number];
  readonly title: string;
  readonly argument: Readonly<Record<string, unknown>>;
}

/** What can be done about an entry, the best first. Nothing for an entry in order. */
export function remediesFor({ uri }: vscode.TextDocument, entry: InspectedEntry): Remedy[] {
  const cache = uri.fsPath;
  const directory = dirname(cache);
  const { key, name, problem } = entry;
  const keep: Remedy[] =
    name === null ? [] : [{ command: "cacheOps.keep", title: "Keep this entry", argument: { cache, name } }];
  if (isStale(problem)) {
    const argument = { cache, entry: key };
    return [{ command: "cacheOps.cleanThis", title: "Clean up this entry (review first)…", argument }, ...keep];
  }
  if (problem === "corrupt" || problem === "drifted") return [repairOf(uri)];
  if (problem === "changed" && entry.reason?.rule !== "time_cut_by_another_mount") {
    const title = "Clean up this cache with its changed entries (review first)…";
    return [{ command: "cacheOps.cleanup", title, argument: { paths: [directory], changed: true } }, ...keep];
  }
  return [];
}

/** Cleaning up all of a cache. */
export function cleanupOf(uri: vscode.Uri): Remedy {
  const argument = { directory: dirname(uri.fsPath) };
  return { command: "cacheOps.cleanThis", title: "Clean up this cache (review first)…", argument };
}

/** Repairing a cache. */
export function repairOf(uri: vscode.Uri): Remedy {
  const argument = { paths: [dirname(uri.fsPath)] };
  return { command: "cacheOps.repair", title: "Repair this cache (review first)…", argument };
}

/** The remedy as a command of the editor. */
export function commandOf({ command, title, argument }: Remedy, shown = title): vscode.Command {
  return { command, title: shown, arguments: [argument] };
}
