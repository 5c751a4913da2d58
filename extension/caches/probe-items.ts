import { basename } from "node:path";

import { formatBytes } from "@cache-ops/shared/units";
import * as vscode from "vscode";

import { ago } from "../age.ts";
import { linesOf } from "../plain.ts";
import { countsText, iconOf, isStale } from "../problems.ts";
import type { MediaAuditFigures, MediaAuditRow, ProbeCacheFigures } from "../protocol.ts";
import { STATES } from "../root-state.ts";
import { explain } from "../words.ts";
import type { Node } from "./nodes.ts";

const { Collapsed, None } = vscode.TreeItemCollapsibleState;

/** A cache of media-audit; its figures once it was looked into. With several of them each says where it lies. */
export function mediaAuditItem(
  { place, isOnly }: Extract<Node, { type: "mediaAudit" }>,
  figures: MediaAuditFigures | undefined,
): vscode.TreeItem {
  const item = new vscode.TreeItem("media-audit", Collapsed);
  const where = isOnly ? [] : [place];
  item.iconPath = new vscode.ThemeIcon("library");
  item.contextValue = "mediaAudit.root";
  item.tooltip = linesOf([place, "The cache of ffprobe results that media-audit keeps. Open it to look into it."]);
  if (figures === undefined) {
    item.description = where.join("");
    return item;
  }
  const { state, detail, entries, bytes, stale, byProblem, troubles } = figures;
  if (state !== "healthy") {
    item.description = [STATES[state], ...where].join(" · ");
    item.iconPath = new vscode.ThemeIcon("warning", new vscode.ThemeColor("list.errorForeground"));
    item.tooltip = linesOf([`${place} is ${STATES[state]} (${detail}).`, "Nothing will be removed."]);
    return item;
  }
  const what = stale > 0 ? `${stale.toLocaleString()} stale` : "nothing stale";
  item.description = [what, formatBytes(bytes), ...where].join(" · ");
  item.tooltip = linesOf([
    place,
    `${entries.toLocaleString()} entries, ${formatBytes(bytes)}`,
    countsText(byProblem),
    troubles > 0 ? `${troubles.toLocaleString()} places could not be looked at.` : "",
  ]);
  const marks = [...(stale > 0 ? ["stale"] : []), ...("corrupt" in byProblem ? ["corrupt"] : [])];
  item.contextValue = ["mediaAudit.root", ...marks].join(".");
  return item;
}

/** A file of media-audit's cache. */
export function mediaAuditEntryItem(row: MediaAuditRow, now: number): vscode.TreeItem {
  const { path, name, media, problem, rule, observed, bytes, writtenAt } = row;
  const item = new vscode.TreeItem(name ?? shortName(path), None);
  const why = rule === null ? problem : (SORTS[rule] ?? problem);
  item.description = [why ?? "", writtenAt === null ? "" : ago(writtenAt, now)]
    .filter((part) => part !== "")
    .join(" · ");
  item.iconPath = iconOf(problem);
  item.tooltip = linesOf([
    media ?? name ?? "",
    problem === null || rule === null ? "In order." : explain(problem, rule, observed),
    `${formatBytes(bytes)} in the cache${writtenAt === null ? "" : `, made ${new Date(writtenAt).toLocaleString()}`}`,
    path,
  ]);
  const marks = [
    ...(media === null ? [] : ["media"]),
    ...(isStale(problem) ? ["stale"] : []),
    ...(problem === "corrupt" ? ["corrupt"] : []),
  ];
  item.contextValue = ["mediaAudit.file", ...marks].join(".");
  return item;
}

/** Sorts of entries that their problem does not tell apart, by the rule that found them. */
const SORTS: Readonly<Record<string, string>> = {
  other_schema: "other schema",
  relative_path: "relative path",
  path_of_another_system: "path of another system",
  pickle_refused: "refused",
};

/** The name of a file of the cache, of whose 32 digits the first ones tell it apart. */
function shortName(path: string): string {
  return basename(path).replace(/^([0-9a-f]{8})[0-9a-f]{24}(?=\.)/, "$1…");
}

/** The central cache of probe results; its figures once it was looked into. */
export function probeCacheItem(figures: ProbeCacheFigures | undefined): vscode.TreeItem {
  const item = new vscode.TreeItem("Probe results", Collapsed);
  item.iconPath = new vscode.ThemeIcon("database");
  item.contextValue = "probeCache";
  item.tooltip = "What ffprobe said of media files, kept by Cache Ops so that no file is probed twice.";
  if (figures !== undefined) item.description = `${countOf(figures.entries, "result")} · ${formatBytes(figures.bytes)}`;
  return item;
}

/** The figures of the central cache, a row each. */
export function probeCacheFacts(figures: ProbeCacheFigures): Node[] {
  const { entries, failedEntries, bytes, requests, hitRate, probes, failures, byOrigin } = figures;
  const origins = Object.entries(byOrigin).map(([origin, number]) => `${origin} ${number.toLocaleString()}`);
  const rows: readonly (readonly [label: string, text: string, icon: string])[] = [
    ["Results", `${entries.toLocaleString()} · ${formatBytes(bytes)}`, "list-unordered"],
    ...(failedEntries > 0 ? [["Files that cannot be probed", failedEntries.toLocaleString(), "error"] as const] : []),
    [
      "Hit rate",
      hitRate === null ? "not asked yet" : `${(hitRate * 100).toFixed(1)} % of ${countOf(requests, "request")}`,
      "graph",
    ],
    [
      "Runs of ffprobe",
      `${probes.toLocaleString()}${failures > 0 ? `, ${failures.toLocaleString()} failed` : ""}`,
      "eye",
    ],
    ...(origins.length > 0 ? [["Origin", origins.join(", "), "references"] as const] : []),
  ];
  return rows.map(([label, text, icon]) => ({ type: "fact", of: "probeCache", label, text, icon }));
}

function countOf(number: number, what: string): string {
  return `${number.toLocaleString()} ${what}${number === 1 ? "" : "s"}`;
}
