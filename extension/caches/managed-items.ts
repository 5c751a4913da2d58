import { join } from "node:path";

import { formatBytes } from "@cache-ops/shared/units";
import * as vscode from "vscode";

import { ago } from "../age.ts";
import { linesOf } from "../plain.ts";
import type { ManagedFigures, ManagedRow } from "../protocol.ts";
import type { ManagedSight } from "./managed-sections.ts";
import type { Node } from "./nodes.ts";

const { Collapsed, None } = vscode.TreeItemCollapsibleState;

/** A managed cache; how full it is once it was opened. */
export function managedItem(
  { name, root }: Extract<Node, { type: "managed" }>,
  sight: ManagedSight | undefined,
): vscode.TreeItem {
  const item = new vscode.TreeItem(name, Collapsed);
  item.iconPath = new vscode.ThemeIcon("server");
  item.contextValue = "managed.section";
  item.tooltip = linesOf([root, "Directories under a quota. Open it to see how full it is."]);
  if (sight === undefined) return item;
  const { figures, due } = sight;
  item.description = usageText(figures);
  item.iconPath = new vscode.ThemeIcon("server", colorOf(figures));
  item.tooltip = linesOf([root, ...tooltipOf(figures, due)]);
  if (due.directories > 0) item.contextValue = "managed.section.due";
  return item;
}

/** `8.4 of 10 GB (84 %)`; without a quota what it holds. */
function usageText({ cache: { maxBytes }, totals: { bytes } }: ManagedFigures): string {
  if (maxBytes === undefined) return formatBytes(bytes);
  const [[used, unit], [most, unitOfMost]] = [partsOf(bytes), partsOf(maxBytes)];
  const first = unit === unitOfMost ? used : `${used} ${unit}`;
  return `${first} of ${most} ${unitOfMost} (${Math.round((bytes / maxBytes) * 100)} %)`;
}

function partsOf(bytes: number): readonly [number: string, unit: string] {
  const [number = "", unit = ""] = formatBytes(bytes).split(" ");
  return [number.replace(/\.0$/, ""), unit];
}

function colorOf({ cache, totals, disk }: ManagedFigures): vscode.ThemeColor | undefined {
  const { maxBytes, highWatermark, minFreeBytes } = cache;
  const share = maxBytes === undefined ? 0 : totals.bytes / maxBytes;
  const isDiskFull = minFreeBytes !== undefined && disk.free < minFreeBytes;
  if (share > 1 || isDiskFull) return new vscode.ThemeColor("list.errorForeground");
  if (share > highWatermark) return new vscode.ThemeColor("list.warningForeground");
  return maxBytes === undefined ? undefined : new vscode.ThemeColor("testing.iconPassed");
}

const BAR_CELLS = 20;

function tooltipOf(figures: ManagedFigures, due: ManagedSight["due"]): string[] {
  const { cache, totals, disk, quarantined, daysUntilFull } = figures;
  const { maxBytes, highWatermark, lowWatermark, policy, ttl, maxAge, minFreeBytes, quarantine } = cache;
  const share = maxBytes === undefined ? 0 : totals.bytes / maxBytes;
  const filled = Math.min(BAR_CELLS, Math.round(share * BAR_CELLS));
  const asks = totals.hits + totals.misses;
  return [
    maxBytes === undefined
      ? `${usageText(figures)}, no quota`
      : `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)} ${usageText(figures)}`,
    maxBytes === undefined
      ? ""
      : `Directories go above ${percentOf(highWatermark)}, until it is down to ${percentOf(lowWatermark)}.`,
    due.directories > 0
      ? `${countOf(due.directories)} (${formatBytes(due.bytes)}) would go now, unless in use.`
      : "Nothing would go now.",
    `${countOf(totals.directories)}${totals.pinned > 0 ? `, ${totals.pinned.toLocaleString()} pinned` : ""}`,
    `Policy ${policy}${ttl === undefined ? "" : `, expires after ${ttl} without use`}${maxAge === undefined ? "" : `, at most ${maxAge} old`}`,
    `Disk: ${formatBytes(disk.free)} free${minFreeBytes === undefined ? "" : `; ${formatBytes(minFreeBytes)} are kept free`}`,
    asks === 0
      ? "Nobody has asked for a directory yet."
      : `Hit rate: ${((totals.hits / asks) * 100).toFixed(1)} % of ${asks.toLocaleString()}`,
    totals.evictions === 0
      ? ""
      : `${totals.evictions.toLocaleString()} evicted so far, ${formatBytes(totals.reclaimedBytes)}`,
    `Quarantine: ${quarantined === 0 ? "empty" : countOf(quarantined)}, kept for ${quarantine}`,
    daysUntilFull === null ? "" : forecastText(daysUntilFull),
  ];
}

function forecastText(days: number): string {
  if (days < 1) return days === 0 ? "The quota is used up." : "Full within a day.";
  return `Full in about ${Math.round(days).toLocaleString()} days, if it goes on like this.`;
}

/** A directory of a managed cache; one that would go now stands out. */
export function managedDirectoryItem(
  { row, root }: Extract<Node, { type: "managedDirectory" }>,
  now: number,
): vscode.TreeItem {
  const { path, bytes, files, accessedAt, registeredAt, expiresAt, accesses, isPinned, due } = row;
  const item = new vscode.TreeItem(path, None);
  item.description = [
    due === null ? "" : DUE[due].short,
    formatBytes(bytes),
    ago(accessedAt, now),
    isPinned ? "pinned" : expiresAt === null || expiresAt <= now ? "" : `expires in ${inTime(expiresAt - now)}`,
  ]
    .filter((part) => part !== "")
    .join(" · ");
  const icon = due === null ? (isPinned ? "pinned" : "folder") : DUE[due].icon;
  item.iconPath = new vscode.ThemeIcon(
    icon,
    due === null ? undefined : new vscode.ThemeColor("list.warningForeground"),
  );
  item.tooltip = linesOf([
    join(root, path),
    isPinned ? "Pinned: it never goes." : due === null ? "It stays for now." : `${DUE[due].why} An eviction takes it.`,
    `${formatBytes(bytes)} in ${files.toLocaleString()} ${files === 1 ? "file" : "files"}`,
    `Used ${accesses.toLocaleString()} times, last ${new Date(accessedAt).toLocaleString()}`,
    `Registered ${new Date(registeredAt).toLocaleString()}`,
    expiresAt === null ? "" : `Expires ${new Date(expiresAt).toLocaleString()}, unless it is used before`,
  ]);
  item.contextValue = ["managed.folder", isPinned ? "pinned" : "free", ...(due === null ? [] : ["due"])].join(".");
  return item;
}

const DUE: Readonly<
  Record<NonNullable<ManagedRow["due"]>, { readonly short: string; readonly icon: string; readonly why: string }>
> = {
  expired: { short: "expired", icon: "clock", why: "It has expired." },
  max_age: { short: "too old", icon: "clock", why: "It was registered too long ago." },
  over_quota: { short: "over the quota", icon: "arrow-up", why: "Room is needed, and it is its turn." },
};

/** What lies in the quarantine of a managed cache. */
export function quarantineItem({ count }: Extract<Node, { type: "quarantine" }>): vscode.TreeItem {
  const item = new vscode.TreeItem("Quarantine", Collapsed);
  item.description = countOf(count);
  item.iconPath = new vscode.ThemeIcon("history");
  item.tooltip = "Evicted directories that can still be put back. An eviction removes for good what is past its time.";
  item.contextValue = "managed.quarantine";
  return item;
}

/** One directory in the quarantine. */
export function quarantinedItem({ row }: Extract<Node, { type: "quarantined" }>, now: number): vscode.TreeItem {
  const { path, place, bytes, movedAt, keptUntil, run } = row;
  const item = new vscode.TreeItem(path, None);
  const isOver = keptUntil <= now;
  const size = bytes === null ? "size unknown" : formatBytes(bytes);
  item.description = `${size} · ${isOver ? "next eviction removes it" : `kept for ${inTime(keptUntil - now)}`}`;
  item.iconPath = new vscode.ThemeIcon("archive", isOver ? new vscode.ThemeColor("list.warningForeground") : undefined);
  item.tooltip = linesOf([
    place,
    `Evicted ${new Date(movedAt).toLocaleString()}${run === null ? "" : ` by ${run}`}`,
    isOver
      ? "Its time is over: the next eviction removes it for good."
      : `Can be put back until ${new Date(keptUntil).toLocaleString()}${run === null ? "" : ", by undoing that run"}.`,
  ]);
  item.contextValue = run === null || isOver ? "managed.quarantined" : "managed.quarantined.known";
  return item;
}

function countOf(directories: number): string {
  return `${directories.toLocaleString()} ${directories === 1 ? "directory" : "directories"}`;
}

function percentOf(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A length of time (milliseconds) in its largest whole unit: `12m`, `3h`, `2d`. */
function inTime(length: number): string {
  const minutes = Math.max(1, Math.floor(length / 60_000));
  if (minutes < 60) return `${minutes}m`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 1440)}d`;
}
