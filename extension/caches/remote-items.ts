import { printable } from "@cache-ops/shared/printable";
import * as vscode from "vscode";

import { linesOf } from "../plain.ts";
import type { Node } from "./nodes.ts";
import type { Remote, RemoteSight } from "./remote-sections.ts";
import {
  channelLines,
  CHANNELS,
  channelText,
  containerLines,
  containerText,
  enginesLines,
  enginesText,
  isWaiting,
  serverText,
  taskText,
} from "./remote-words.ts";

const { Collapsed, None } = vscode.TreeItemCollapsibleState;
const OF = { engine: "Caches in containers of stream engines.", jellyfin: "A Jellyfin server." } as const;
const ICONS = { engine: "vm", jellyfin: "device-camera-video" } as const;

/** An engine cache or a Jellyfin server; what is in it once it was opened. */
export function remoteItem({ type, name }: Remote, sight: RemoteSight | undefined, now: number): vscode.TreeItem {
  const item = new vscode.TreeItem(name, Collapsed);
  item.iconPath = new vscode.ThemeIcon(ICONS[type]);
  item.contextValue = `${type}.section`;
  item.tooltip = `${OF[type]} Open it to look into it.`;
  if (sight === undefined) return item;
  const { containers, server, troubles } = sight;
  const isDown = troubles.length > 0 && containers.length === 0 && server === undefined;
  item.description = isDown
    ? "cannot be looked at"
    : server === undefined
      ? enginesText(containers)
      : serverText(server);
  item.tooltip = linesOf([
    OF[type],
    ...troubles,
    ...(isDown ? ["Nothing in it is judged, and nothing will be removed."] : []),
    ...(type === "engine" && !isDown ? enginesLines(containers, now) : []),
    ...(server === undefined ? [] : server.sections.map((row) => `${CHANNELS[row.section]}: ${channelText(row, now)}`)),
  ]);
  if (troubles.length > 0) item.iconPath = new vscode.ThemeIcon("warning", colorOf(isDown ? "error" : "warning"));
  return item;
}

/** The cache of a container. One that is in use, or may be, stands out. */
export function containerItem({ row, isOnly }: Extract<Node, { type: "container" }>, now: number): vscode.TreeItem {
  const item = new vscode.TreeItem(isOnly || row.path === null ? row.container : `${row.container}: ${row.path}`, None);
  item.description = printable(containerText(row, now));
  item.tooltip = linesOf(containerLines(row));
  item.iconPath = containerIcon(row);
  item.contextValue = `engine.container.${isWaiting(row) ? "waiting" : row.use}.${row.state}`;
  return item;
}

function containerIcon(row: Extract<Node, { type: "container" }>["row"]): vscode.ThemeIcon {
  const { use, state, bytes, entries } = row;
  if (isWaiting(row)) return new vscode.ThemeIcon("clock");
  if (use === "busy") return new vscode.ThemeIcon("play-circle", new vscode.ThemeColor("charts.green"));
  if (use === "unknown" || state === "unknown") return new vscode.ThemeIcon("question", colorOf("warning"));
  if (state === "absent") return new vscode.ThemeIcon("circle-slash", new vscode.ThemeColor("disabledForeground"));
  const isEmpty = bytes === 0 && entries === 0;
  return isEmpty
    ? new vscode.ThemeIcon("pass", new vscode.ThemeColor("disabledForeground"))
    : new vscode.ThemeIcon("package");
}

/** A cache of the Xtream plugin. */
export function channelItem({ row }: Extract<Node, { type: "channel" }>, now: number): vscode.TreeItem {
  const item = new vscode.TreeItem(CHANNELS[row.section], None);
  item.description = channelText(row, now);
  item.tooltip = linesOf(channelLines(row, now));
  item.iconPath = row.isRefreshing
    ? new vscode.ThemeIcon("sync~spin")
    : new vscode.ThemeIcon(row.isPopulated ? "broadcast" : "circle-outline");
  item.contextValue = `jellyfin.channel.${row.isRefreshing ? "refreshing" : row.isPopulated ? "populated" : "bare"}`;
  return item;
}

/** A cleanup task of a server. */
export function taskItem({ row }: Extract<Node, { type: "task" }>, now: number): vscode.TreeItem {
  const { key, name, state, lastEnded, lastStatus } = row;
  const item = new vscode.TreeItem(name ?? key, None);
  const isWrong = lastStatus !== null && lastStatus !== "Completed";
  item.description = printable(taskText(row, now));
  item.tooltip = linesOf([
    key,
    lastEnded === null ? "" : `Ended ${new Date(lastEnded).toLocaleString()}: ${lastStatus}`,
  ]);
  item.iconPath =
    state === "Idle"
      ? new vscode.ThemeIcon(isWrong ? "warning" : "tools", isWrong ? colorOf("warning") : undefined)
      : new vscode.ThemeIcon("sync~spin");
  item.contextValue = `jellyfin.task.${state === "Idle" ? "idle" : "running"}`;
  return item;
}

function colorOf(kind: "error" | "warning"): vscode.ThemeColor {
  return new vscode.ThemeColor(`list.${kind}Foreground`);
}
