import * as vscode from "vscode";

import { ago } from "./age.ts";
import type { Editor } from "./editor.ts";
import { errorText } from "./engine.ts";
import { invokeShown, showError } from "./invoke.ts";
import { linesOf, plain } from "./plain.ts";
import { openReport } from "./report.ts";

/** A schedule as the operation gives it. */
interface ScheduleLine {
  readonly name: string;
  readonly cron: string;
  readonly operation: string;
  readonly apply: boolean;
  readonly state: "ready" | "paused" | "disabled" | "waiting" | "running";
  readonly doing: string | null;
  readonly nextRun: string | null;
  readonly lastRun: { readonly endedAt: string; readonly outcome: string; readonly reason: string } | null;
}

interface Status {
  readonly scheduler: { readonly host: string } | null;
  readonly schedules: readonly ScheduleLine[];
}

/** How often what runs by itself is looked at while the view is seen, in milliseconds. */
const LOOK_MS = 10_000;

/**
 * Shows what the service does by itself, with when next and how it went, and controls it. The view is there only where
 * schedules are configured, which is known once the engine runs.
 */
export function registerSchedules(editor: Editor): void {
  const { extension, engine, libraries, log } = editor;
  const changed = new vscode.EventEmitter<void>();
  const provider: vscode.TreeDataProvider<ScheduleLine> = {
    onDidChangeTreeData: changed.event,
    async getChildren(line) {
      if (line !== undefined) return [];
      try {
        const { output } = await engine.request("invoke", { operation: "schedule", input: {} });
        const { scheduler, schedules } = output as unknown as Status;
        view.message =
          scheduler === null ? "Nothing runs by itself: the service (cache-ops serve) is not running." : "";
        return [...schedules];
      } catch (error) {
        void showError(error, log);
        return [];
      }
    },
    getTreeItem: itemOf,
  };
  const view = vscode.window.createTreeView("cacheOps.schedules", { treeDataProvider: provider });

  const settle = async () => {
    const { schedules } = (await engine.request("places", {})).configuration;
    await vscode.commands.executeCommand("setContext", "cacheOps.hasSchedules", schedules.length > 0);
  };
  const trySettle = () => {
    if (engine.isRunning) settle().catch((error: unknown) => log.warn(errorText(error)));
  };
  const control = (name: string, action: "start" | "stop" | "run") =>
    vscode.commands.registerCommand(`cacheOps.schedules.${name}`, async (line?: ScheduleLine) => {
      if (line === undefined) {
        // The editor knows no element of a row that is being fetched again.
        void vscode.window.showInformationMessage("Cache Ops: the list was just being refreshed; please try again.");
        return;
      }
      const result = await invokeShown(editor, "schedule", { action, name: line.name });
      changed.fire();
      if (result === undefined) return;
      const { ran } = result.output as { readonly ran: { readonly run: string | null } | null };
      if (ran !== null) await showRan(line.name, result);
      if (ran?.run != null) await editor.runs.noticed(ran.run);
    });
  const clock = setInterval(() => {
    if (view.visible) changed.fire();
  }, LOOK_MS);
  extension.subscriptions.push(
    view,
    changed,
    { dispose: () => clearInterval(clock) },
    control("pause", "stop"),
    control("resume", "start"),
    control("run", "run"),
    vscode.commands.registerCommand("cacheOps.schedules.refresh", () => changed.fire()),
    libraries.onDidLook(trySettle),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (!event.affectsConfiguration("cacheOps")) return;
      trySettle();
      changed.fire();
    }),
  );
}

async function showRan(name: string, result: Parameters<typeof openReport>[1] & { readonly outcome: string }) {
  const show = result.outcome === "ok" ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
  const more = "Show Schedules";
  if ((await show(`Cache Ops: ${name}: ${plain(result.view.title)}`, more)) === more)
    await openReport("Schedules", result);
}

function itemOf(line: ScheduleLine): vscode.TreeItem {
  const { name, cron, operation, apply, state, doing, nextRun, lastRun } = line;
  const item = new vscode.TreeItem(name);
  const next = nextRun === null ? "" : `next ${new Date(nextRun).toLocaleString([], SHORT)}`;
  const last = lastRun === null ? "never ran" : `${lastRun.outcome} ${ago(Date.parse(lastRun.endedAt), Date.now())}`;
  item.id = name;
  item.description = [state === "ready" ? "" : state, next, last].filter((part) => part !== "").join(" · ");
  item.accessibilityInformation = { label: `${name}, ${item.description}` };
  item.iconPath = iconOf(line);
  item.tooltip = linesOf([
    `${name}: ${operation}${apply ? ", applied" : ", only planned"}, at ${cron}`,
    doing === null ? "" : `${state}: ${doing}`,
    nextRun === null ? "Will not run by itself." : `Next: ${new Date(nextRun).toLocaleString()}`,
    lastRun === null
      ? "It never ran."
      : `Last: ${new Date(lastRun.endedAt).toLocaleString()}, ${lastRun.outcome}: ${lastRun.reason}`,
  ]);
  item.contextValue = `schedule.${state}`;
  return item;
}

const SHORT = { weekday: "short", hour: "2-digit", minute: "2-digit" } as const;

function iconOf({ state, lastRun }: ScheduleLine): vscode.ThemeIcon {
  if (state === "running") return new vscode.ThemeIcon("sync~spin");
  if (state === "waiting") return new vscode.ThemeIcon("watch");
  if (state === "paused") return new vscode.ThemeIcon("debug-pause");
  if (state === "disabled") return new vscode.ThemeIcon("circle-slash");
  const isWrong = lastRun !== null && !["complete", "planned", "skipped"].includes(lastRun.outcome);
  return isWrong
    ? new vscode.ThemeIcon("warning", new vscode.ThemeColor("list.warningForeground"))
    : new vscode.ThemeIcon("clock");
}
