import { basename, dirname, join } from "node:path";

import { printable } from "@cache-ops/shared/printable";
import { formatBytes } from "@cache-ops/shared/units";
import * as vscode from "vscode";

import { ago } from "../age.ts";
import { linesOf } from "../plain.ts";
import { countsText, iconOf, isStale } from "../problems.ts";
import { STATES } from "../root-state.ts";
import { explain } from "../words.ts";
import { managedDirectoryItem, managedItem, quarantinedItem, quarantineItem } from "./managed-items.ts";
import type { ManagedSections } from "./managed-sections.ts";
import { idOf, type Node } from "./nodes.ts";
import { mediaAuditEntryItem, mediaAuditItem, probeCacheItem } from "./probe-items.ts";
import type { ProbeSections } from "./probe-sections.ts";
import { channelItem, containerItem, remoteItem, taskItem } from "./remote-items.ts";
import type { RemoteSections } from "./remote-sections.ts";

/** What is known of the sections that are looked into when they are opened. */
export interface Sections {
  readonly probes: ProbeSections;
  readonly managed: ManagedSections;
  readonly remotes: RemoteSections;
}

/** How a node is shown. */
export function itemOf(node: Node, now: number, sections: Sections): vscode.TreeItem {
  const item = bare(node, now, sections);
  // Rows that stand for nothing lasting need no identity.
  if (node.type !== "message") item.id = idOf(node);
  // Else the tooltip would be read out, without the figures beside the name.
  const label = typeof item.label === "string" ? printable(item.label) : "";
  item.label = label;
  if (typeof item.description === "string") item.description = printable(item.description);
  item.accessibilityInformation ??= { label: [label, item.description].filter(Boolean).join(", ") };
  return item;
}

const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;

function bare(node: Node, now: number, { probes, managed, remotes }: Sections): vscode.TreeItem {
  switch (node.type) {
    case "root":
      return rootItem(node);
    case "directory":
      return directoryItem(node, now);
    case "cache":
      return cacheItem(node, now);
    case "entry":
      return entryItem(node, now);
    case "file": {
      const { path, problem, rule, observed } = node.problem;
      const item = new vscode.TreeItem(basename(path), None);
      item.description = problem;
      item.iconPath = iconOf(problem);
      item.tooltip = linesOf([path, explain(problem, rule, observed)]);
      item.contextValue = isStale(problem) ? "file.stale" : "file";
      return item;
    }
    case "mediaAudit":
      return mediaAuditItem(node, probes.figuresOf(node));
    case "mediaAuditEntry":
      return mediaAuditEntryItem(node.row, now);
    case "probeCache":
      return probeCacheItem(probes.central);
    case "managed":
      return managedItem(node, managed.sightOf(node));
    case "managedDirectory":
      return managedDirectoryItem(node, now);
    case "quarantine":
      return quarantineItem(node);
    case "quarantined":
      return quarantinedItem(node, now);
    case "engine":
    case "jellyfin":
      return remoteItem(node, remotes.sightOf(node), now);
    case "container":
      return containerItem(node, now);
    case "channel":
      return channelItem(node, now);
    case "task":
      return taskItem(node, now);
    case "fact": {
      const item = new vscode.TreeItem(node.label, None);
      item.description = node.text;
      item.iconPath = new vscode.ThemeIcon(node.icon);
      return item;
    }
    case "more": {
      const item = new vscode.TreeItem(`${(node.total - node.shown).toLocaleString()} more…`, None);
      item.iconPath = new vscode.ThemeIcon("ellipsis");
      item.command = { command: "cacheOps.more", title: "Show More", arguments: [node] };
      return item;
    }
    case "message": {
      const item = new vscode.TreeItem(node.text, None);
      item.iconPath = new vscode.ThemeIcon(node.isError ? "error" : "info");
      item.tooltip = linesOf([node.text]);
      return item;
    }
  }
}

function rootItem({ row }: Extract<Node, { type: "root" }>): vscode.TreeItem {
  const { library, root, state, detail, caches, entries, stale, bytes, byProblem, troubles } = row;
  const isHealthy = state === "healthy";
  const item = new vscode.TreeItem(library, isHealthy ? Expanded : None);
  if (!isHealthy) {
    item.description = `${STATES[state]} · ${root}`;
    item.iconPath = new vscode.ThemeIcon("warning", new vscode.ThemeColor("list.errorForeground"));
    item.tooltip = linesOf([
      `${root} is ${STATES[state]} (${detail}). Nothing in it is judged, and nothing will be removed.`,
    ]);
    item.contextValue = "root";
    return item;
  }
  const parts = [stale > 0 ? `${stale.toLocaleString()} stale` : "nothing stale", formatBytes(bytes)];
  item.description = parts.join(" · ");
  item.iconPath = new vscode.ThemeIcon("library");
  item.tooltip = linesOf([
    root,
    `${caches.toLocaleString()} caches, ${entries.toLocaleString()} entries, ${formatBytes(bytes)}`,
    countsText(byProblem),
    troubles > 0 ? `${troubles.toLocaleString()} places could not be looked at.` : "",
  ]);
  item.contextValue = stale > 0 ? "root.stale" : "root";
  return item;
}

function directoryItem({ row }: Extract<Node, { type: "directory" }>, now: number): vscode.TreeItem {
  const item = new vscode.TreeItem(row.label, Collapsed);
  const problems = Object.values(row.byProblem).reduce((sum, count) => sum + count, 0);
  item.description = [
    row.stale > 0 ? `${row.stale} stale` : problems > 0 ? countsText(row.byProblem) : "",
    formatBytes(row.bytes),
    row.modifiedAt === null ? "" : ago(row.modifiedAt, now),
  ]
    .filter((part) => part !== "")
    .join(" · ");
  item.iconPath = new vscode.ThemeIcon(
    "folder",
    row.stale > 0 ? new vscode.ThemeColor("list.warningForeground") : undefined,
  );
  item.tooltip = linesOf([row.directory, countsText(row.byProblem) || "Everything is in order."]);
  item.contextValue = row.stale > 0 ? "directory.stale" : "directory";
  return item;
}

function cacheItem({ row, cache }: Extract<Node, { type: "cache" }>, now: number): vscode.TreeItem {
  const item = new vscode.TreeItem(basename(cache), row.entries > 0 ? Expanded : Collapsed);
  const damage = row.files.find(({ path }) => path === cache);
  item.description = [
    damage === undefined
      ? `${row.entries.toLocaleString()} ${row.entries === 1 ? "entry" : "entries"}`
      : damage.problem,
    formatBytes(row.bytes),
    row.modifiedAt === null ? "" : ago(row.modifiedAt, now),
  ]
    .filter((part) => part !== "")
    .join(" · ");
  item.iconPath = damage === undefined ? new vscode.ThemeIcon("json") : iconOf(damage.problem);
  item.tooltip = linesOf([cache, damage === undefined ? "" : explain(damage.problem, damage.rule, damage.observed)]);
  item.contextValue = row.stale > 0 ? "cache.stale" : "cache";
  return item;
}

function entryItem({ entry, cache }: Extract<Node, { type: "entry" }>, now: number): vscode.TreeItem {
  const { name, key, problem, reason, lastSeen, bytes, fields } = entry;
  const item = new vscode.TreeItem(name ?? key, None);
  item.description = [problem ?? "", lastSeen === null ? "" : ago(lastSeen, now)]
    .filter((part) => part !== "")
    .join(" · ");
  item.iconPath = iconOf(problem);
  const facts = ["codec_video", "resolution", "hdr_type"].flatMap((field) =>
    typeof fields[field] === "string" ? [fields[field]] : [],
  );
  item.tooltip = linesOf([
    name === null ? key : join(dirname(cache), name),
    problem === null || reason === null ? "In order." : explain(problem, reason.rule, reason.observed),
    facts.join(", "),
    `${formatBytes(bytes)} in the cache${lastSeen === null ? "" : `, written ${new Date(lastSeen).toLocaleString()}`}`,
  ]);
  item.accessibilityInformation = { label: `${printable(name ?? key)}, ${problem ?? "in order"}` };
  item.contextValue = isStale(problem) ? "entry.stale" : "entry";
  item.command = {
    command: "cacheOps.openEntry",
    title: "Open Cache File",
    arguments: [{ type: "entry", cache, entry }],
  };
  return item;
}
