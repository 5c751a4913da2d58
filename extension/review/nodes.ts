import { basename } from "node:path";

import type { Change } from "@cache-ops/shared";
import { formatBytes, formatSeconds } from "@cache-ops/shared/units";
import { printable } from "@cache-ops/shared/printable";
import * as vscode from "vscode";

import { sizeText } from "../caches/remote-words.ts";
import { linesOf } from "../plain.ts";
import { iconOf } from "../problems.ts";
import type { Blocked, PlanGroup, PlanOverview } from "../protocol.ts";
import { explain } from "../words.ts";

/** What the review of a plan is made of: directories, and the changes in each. */
export type Node =
  | { readonly type: "group"; readonly group: PlanGroup }
  | { readonly type: "change"; readonly group: PlanGroup; readonly change: Change }
  | { readonly type: "more"; readonly shown: number; readonly total: number }
  | { readonly type: "guard"; readonly blocked: Blocked }
  | { readonly type: "skipped"; readonly overview: PlanOverview }
  | { readonly type: "note"; readonly text: string; readonly icon: string; readonly more?: readonly string[] };

/** How a node is shown; `unchecked` are the numbers of the changes that were taken out. */
export function itemOf(node: Node, unchecked: ReadonlySet<number>): vscode.TreeItem {
  const item = bare(node, unchecked);
  const label = typeof item.label === "string" ? printable(item.label) : "";
  item.label = label;
  if (typeof item.description === "string") item.description = printable(item.description);
  item.accessibilityInformation = { label: [label, item.description].filter(Boolean).join(", ") };
  return item;
}

function bare(node: Node, unchecked: ReadonlySet<number>): vscode.TreeItem {
  switch (node.type) {
    case "group":
      return groupItem(node.group, unchecked);
    case "change":
      return changeItem(node.change, unchecked);
    case "more": {
      const item = new vscode.TreeItem(`${(node.total - node.shown).toLocaleString()} more directories…`);
      item.iconPath = new vscode.ThemeIcon("ellipsis");
      item.command = { command: "cacheOps.review.more", title: "Show More" };
      return item;
    }
    case "guard": {
      const { guard, path, message, observed, advice, override } = node.blocked;
      const item = new vscode.TreeItem(`Blocked: ${message}`);
      item.description = `${path} (${observed})`;
      item.tooltip = linesOf([guard, `${path}: ${message} (${observed}).`, advice]);
      item.iconPath = new vscode.ThemeIcon("shield", new vscode.ThemeColor("list.errorForeground"));
      item.contextValue = override === null ? "guard" : "guard.override";
      return item;
    }
    case "skipped": {
      const { skipped } = node.overview;
      const item = new vscode.TreeItem("Left alone by a rule", vscode.TreeItemCollapsibleState.Collapsed);
      item.description = skipped.reduce((sum, { count }) => sum + count, 0).toLocaleString();
      item.iconPath = new vscode.ThemeIcon("circle-slash");
      return item;
    }
    case "note": {
      const item = new vscode.TreeItem(node.text);
      item.iconPath = new vscode.ThemeIcon(node.icon);
      item.tooltip = linesOf([node.text, ...(node.more ?? [])]);
      return item;
    }
  }
}

const { Checked, Unchecked } = vscode.TreeItemCheckboxState;

function groupItem(group: PlanGroup, unchecked: ReadonlySet<number>): vscode.TreeItem {
  const { cache, label, ids, bytes, quarantinedBytes, kind } = group;
  const isMeasured = kind !== "jellyfin";
  const { icon, what } = GROUPS[kind] ?? { icon: "folder", what: "directory" };
  const taken = ids.filter((id) => !unchecked.has(id)).length;
  const item = new vscode.TreeItem(label, vscode.TreeItemCollapsibleState.Expanded);
  item.id = cache;
  const count = taken === ids.length ? `${ids.length}` : `${taken} of ${ids.length}`;
  const changes = `${count} ${ids.length === 1 ? "change" : "changes"}`;
  const sizeOf = kind === "engine" ? sizeText : formatBytes;
  const [size, deed] = [sizeOf(Math.abs(bytes)), bytes < 0 ? "taken" : "freed"];
  const sizes = [
    ...(quarantinedBytes > 0 ? [`${formatBytes(quarantinedBytes)} to the quarantine`] : []),
    ...(isMeasured && (quarantinedBytes === 0 || bytes !== 0) ? [`${bytes < 0 ? "+" : ""}${size}`] : []),
  ];
  item.description = [changes, ...sizes].join(" · ");
  const later = quarantinedBytes > 0 ? ["Space in the quarantine is freed when its time is over."] : [];
  const effect = isMeasured ? `, ${size} ${deed} at once when all are applied` : "";
  item.tooltip = linesOf([cache, `${changes}${effect}`, ...later]);
  item.iconPath = new vscode.ThemeIcon(icon);
  item.checkboxState = {
    state: taken > 0 ? Checked : Unchecked,
    tooltip: `Take this ${what} ${taken > 0 ? "out of" : "into"} the plan`,
  };
  return item;
}

const GROUPS: Readonly<Partial<Record<PlanGroup["kind"], { readonly icon: string; readonly what: string }>>> = {
  engine: { icon: "vm", what: "engine cache" },
  jellyfin: { icon: "device-camera-video", what: "server" },
};

function changeItem(change: Change, unchecked: ReadonlySet<number>): vscode.TreeItem {
  if (change.tracked !== undefined) return directoryItem(change, change.tracked, unchecked);
  if (change.container !== undefined || change.jellyfin !== undefined) return remoteItem(change, unchecked);
  const { id, does, name, path, entry, problem, reason, to, cache } = change;
  const item = new vscode.TreeItem(name ?? basename(path ?? entry ?? cache));
  item.id = `${cache} ${id}`;
  item.description = `${does} · ${problem}${to === undefined ? "" : ` → ${to}`}`;
  item.iconPath = iconOf(problem);
  item.tooltip = linesOf([
    path ?? cache,
    `${DEEDS[does]}${to === undefined ? "" : ` → ${to}`}`,
    explain(problem, reason.rule, reason.observed),
  ]);
  item.checkboxState = checkboxOf(change, unchecked);
  item.command = { command: "cacheOps.review.diffOne", title: "Show Change", arguments: [change] };
  return item;
}

/** A whole directory of a managed cache. What goes for good is not to be overlooked. */
function directoryItem(
  change: Change,
  { keepSeconds }: NonNullable<Change["tracked"]>,
  unchecked: ReadonlySet<number>,
): vscode.TreeItem {
  const { id, does, name, path, entry, problem, reason, cache, evidence, pack } = change;
  const item = new vscode.TreeItem(name ?? entry ?? cache);
  const tree = evidence.find((each) => each.expect === "tree") ?? pack?.tree;
  const isForGood = does === "delete" || does === "purge";
  const what = does === "evict" ? `to the quarantine for ${formatSeconds(keepSeconds)}` : FATES[does];
  item.id = `${cache} ${id}`;
  const size = tree === undefined ? [] : [formatBytes(tree.bytes)];
  item.description = [what ?? does, ...size, shortReason(reason.rule)].join(" · ");
  item.iconPath = isForGood
    ? new vscode.ThemeIcon("warning", new vscode.ThemeColor("list.errorForeground"))
    : iconOf(problem);
  item.tooltip = linesOf([
    path ?? cache,
    DEEDS[does],
    isForGood ? "This cannot be undone." : "",
    explain(problem, reason.rule, reason.observed),
    reason.observed === null ? "" : `Seen: ${reason.observed}`,
    reason.threshold === undefined ? "" : `Limit: ${reason.threshold}`,
  ]);
  item.checkboxState = checkboxOf(change, unchecked);
  return item;
}

/** What becomes of a directory, in a few words. */
const FATES: Readonly<Partial<Record<Change["does"], string>>> = {
  delete: "DELETED FOR GOOD",
  purge: "PURGED FOR GOOD",
  compress: "compressed",
  archive: "archived",
  warm: "brought back",
  empty: "EMPTIED FOR GOOD",
  refill: "filled in full",
  run_task: "run once",
};

function shortReason(rule: string): string {
  return REASONS[rule] ?? rule.replaceAll("_", " ");
}

const REASONS: Readonly<Record<string, string>> = {
  ttl: "expired",
  max_age: "too old",
  quarantine_over: "its time in the quarantine is over",
  disk_full: "the disk is full",
};

/** What lies in a container or on a server: nothing of it can be put back. */
function remoteItem(change: Change, unchecked: ReadonlySet<number>): vscode.TreeItem {
  const { id, does, name, entry, problem, reason, cache, container, jellyfin } = change;
  const item = new vscode.TreeItem(name ?? cache);
  item.id = `${cache} ${id}`;
  const isCleared = jellyfin?.does === "clear";
  const what = isCleared
    ? jellyfin.refills
      ? "cleared, then filled again"
      : "CLEARED, NOT FILLED AGAIN"
    : FATES[does];
  const size = container === undefined ? [] : [sizeText(container.seen.size)];
  item.description = [what ?? does, ...size, reason.observed ?? ""].filter((part) => part !== "").join(" · ");
  item.iconPath =
    does === "empty" || isCleared
      ? new vscode.ThemeIcon("warning", new vscode.ThemeColor("list.errorForeground"))
      : new vscode.ThemeIcon(does === "refill" ? "cloud-download" : "tools");
  item.tooltip = linesOf([
    container === undefined ? cache : `${container.container.name}: ${entry ?? container.path}`,
    container === undefined
      ? ""
      : `${container.seen.entries.toLocaleString()} entries, ${container.seen.size.toLocaleString()} bytes`,
    DEEDS[does],
    isCleared && !jellyfin.refills ? "Jellyfin drops its items until it is filled again." : "",
    does === "empty" || isCleared ? "This cannot be undone." : "",
    explain(problem, reason.rule, reason.observed),
  ]);
  item.checkboxState = checkboxOf(change, unchecked);
  return item;
}

function checkboxOf({ id, does, name }: Change, unchecked: ReadonlySet<number>) {
  const isTaken = !unchecked.has(id);
  return {
    state: isTaken ? Checked : Unchecked,
    tooltip: isTaken ? "Take this change out of the plan" : "Take this change into the plan",
    accessibilityInformation: { label: printable(`${does} ${name ?? ""}`) },
  };
}

const DEEDS: Readonly<Record<Change["does"], string>> = {
  remove: "Removes this entry from the cache.",
  rehome: "Moves this entry to the cache beside its media.",
  rename: "Corrects the recorded name.",
  migrate: "Drops fields that only the older format has.",
  salvage: "Keeps what can be read of this damaged cache.",
  recover: "Makes the temporary file the cache again.",
  discard: "Removes this file.",
  unlock: "Releases this abandoned lock.",
  record: "Notes a conversion.",
  restore: "Puts this file back as the backup holds it.",
  scan: "Notes what ffprobe found.",
  evict: "Moves this directory to the quarantine, from where it can be put back.",
  delete: "Deletes this directory for good, at once.",
  purge: "Removes this directory for good from where it was kept.",
  compress: "Packs this directory into one compressed file, and moves it to the quarantine.",
  archive: "Packs this directory into object storage, and takes it away here.",
  warm: "Brings this directory back from its pack.",
  empty: "Empties this cache directory in its container, while nobody plays on it. The engine fills it again.",
  clear: "Clears this channel cache. It cannot be put back, only filled again.",
  refill: "Fills this channel cache again, in full.",
  run_task: "Runs this cleanup task of the server.",
};
