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
    target[last] = settings.get(path);
  }
  return {
    stateDirectory: settings.get("stateDirectory", ""),
    configurationFile: settings.get("configurationFile", ""),
    configuration,
  };
}

/** Whether a setting has another value than its default. Workspace values of restricted settings count only when trusted. */
function isSet(settings: vscode.WorkspaceConfiguration, path: string): boolean {
  const found = settings.inspect(path);
  const values = [found?.globalValue, ...(vscode.workspace.isTrusted ? [found?.workspaceValue] : [])];
  return values.some((value) => value !== undefined);
}

/** The settings of the editor's own parts. */
export function editorSettings() {
  const settings = vscode.workspace.getConfiguration("cacheOps");
  return {
    sort: settings.get<Sort>("tree.sort", "stale"),
    hasStatusBar: settings.get("statusBar.enabled", true),
    decoratesExplorer: settings.get("explorer.decorations", false),
    scheduled: settings.get<"off" | "check" | "cleanup">("schedule.action", "off"),
    every: settings.get("schedule.every", "24h"),
    idleMinutes: settings.get("schedule.idleMinutes", 10),
    offersAgents: settings.get("agents.enabled", true),
    agentsReadOnly: settings.get("agents.readOnly", false),
    remoteServers: settings.get<readonly { readonly name: string; readonly url: string }[]>("agents.servers", []),
  };
}
