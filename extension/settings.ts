import * as vscode from "vscode";

import type { CoreSettings, Sort } from "./protocol.ts";

/** Settings that stand for a property of the core's configuration, by its path there. */
const CORE = [
  "libraries",
  "keep",
  "guards.staleRatio",
  "guards.maxEntries",
  "guards.minAge",
  "guards.clockSkew",
  "planExpiry",
  "retention.age",
  "retention.maxBytes",
  "timeLimit",
  "ffprobe.program",
  "ffprobe.timeLimit",
  "ffprobe.concurrency",
  "probe.ttl",
  "probe.maxEntries",
  "probe.memoryEntries",
  "probe.memoryBytes",
  "probe.mediaAudit",
  "managed",
  "engines",
  "jellyfin",
  "schedules",
  "service.webhooks",
  "service.checkEvery",
  "service.forecastDays",
  "cluster.enabled",
  "cluster.lease",
] as const;

/** What the settings say about the core: only what somebody set, so that the configuration file decides the rest. */
export function coreSettings(): CoreSettings {
  const settings = vscode.workspace.getConfiguration("cacheOps");
  const configuration: Record<string, unknown> = {};
  for (const path of CORE) {
    if (!isSet(settings, path)) continue;
    const parts = path.split(".");
    const last = parts.pop() ?? "";
    let target = configuration;
    for (const part of parts) target = (target[part] ??= {}) as Record<string, unknown>;
    target[last] = path === "libraries" || path === "keep" ? listOf(settings, path) : settings.get(path);
  }
  return {
    stateDirectory: settings.get("stateDirectory", ""),
    configurationFile: settings.get("configurationFile", ""),
    configuration,
  };
}

/** Whether a setting has another value than its default. */
function isSet(settings: vscode.WorkspaceConfiguration, path: string): boolean {
  return levelsOf(settings, path).length > 0;
}

/** The user's value and the workspace's, as far as they are set. That of a workspace counts only when it is trusted. */
function levelsOf(settings: vscode.WorkspaceConfiguration, path: string): unknown[] {
  const found = settings.inspect(path);
  const values = [found?.globalValue, ...(vscode.workspace.isTrusted ? [found?.workspaceValue] : [])];
  return values.filter((value) => value !== undefined);
}

/**
 * A list to which the workspace adds, as the settings add to the configuration file: it takes no library and no
 * pattern of the user away, but a library of the same name counts as it says. What is no list is left to be refused.
 */
function listOf(settings: vscode.WorkspaceConfiguration, path: string): unknown {
  const levels = levelsOf(settings, path);
  const wrong = levels.find((level) => !Array.isArray(level));
  if (wrong !== undefined) return wrong;
  const items = levels.flat().map((item: unknown) => [nameOf(item), item] as const);
  return [...new Map(items).values()];
}

function nameOf(item: unknown): unknown {
  return typeof item === "object" && item !== null && "name" in item ? item.name : item;
}

/** The settings of the editor's own parts. */
export function editorSettings() {
  const settings = vscode.workspace.getConfiguration("cacheOps");
  return {
    sort: settings.get<Sort>("tree.sort", "stale"),
    hasStatusBar: settings.get("statusBar.enabled", true),
    decoratesExplorer: settings.get("explorer.decorations", false),
    probesOnHover: settings.get("hover.probe", true),
    scheduled: settings.get<"off" | "check" | "cleanup">("schedule.action", "off"),
    every: settings.get("schedule.every", "24h"),
    idleMinutes: settings.get("schedule.idleMinutes", 10),
    offersAgents: settings.get("agents.enabled", true),
    agentsReadOnly: settings.get("agents.readOnly", false),
    remoteServers: settings.get<readonly { readonly name: string; readonly url: string }[]>("agents.servers", []),
  };
}
