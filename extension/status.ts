import { formatBytes } from "@cache-ops/shared/units";

import * as vscode from "vscode";

import { ago } from "./age.ts";
import type { Editor } from "./editor.ts";
import { errorText } from "./engine.ts";
import { withoutIcons } from "./plain.ts";
import { escapeMarkdown } from "./report.ts";
import { coreSettings, editorSettings } from "./settings.ts";
import { lastCleanupIn, librariesIn, statusText, type Figures } from "./status-figures.ts";

/** Where the figures are kept in the global state. */
const KEPT = "status.figures";
/** Far to the right of what is on the left: it is seldom news. */
const PRIORITY = -10;
const COMMANDS = [
  ["Clean Up…", "cacheOps.cleanup"],
  ["Check", "cacheOps.check"],
  ["Undo Last Cleanup…", "cacheOps.undo"],
  ["Statistics", "cacheOps.stats"],
] as const;

/**
 * Shows in the status bar how much is stale and when it was last cleaned up. Asks for nothing by itself: before the
 * first look of a session it shows what the last one found.
 */
export function registerStatusBar({ extension, libraries, runs, log }: Editor): void {
  const item = vscode.window.createStatusBarItem("cacheOps.status", vscode.StatusBarAlignment.Left, PRIORITY);
  item.name = "Cache Ops";
  item.command = { command: "cacheOps.caches.focus", title: "Show Caches" };

  const show = () => {
    const figures = keptFigures(extension);
    const isConfigured = figures !== undefined || (coreSettings().configuration.libraries?.length ?? 0) > 0;
    if (!editorSettings().hasStatusBar || !isConfigured) {
      item.hide();
      return;
    }
    const isCurrent = libraries.summary !== undefined;
    const { text, label, isWrong } = statusText(figures, isCurrent, Date.now());
    item.text = text;
    item.tooltip = tooltipOf(figures, isCurrent);
    item.accessibilityInformation = { label, role: "button" };
    item.backgroundColor = isWrong ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    item.show();
  };
  const keep = async () => {
    const { summary } = libraries;
    const before = keptFigures(extension);
    const at = summary?.at ?? before?.at;
    if (at === undefined) return;
    const figures: Figures = {
      about: aboutLibraries(),
      at,
      libraries: summary === undefined ? (before?.libraries ?? []) : librariesIn(summary),
      lastCleanup: runs.lines === undefined ? (before?.lastCleanup ?? null) : lastCleanupIn(runs.lines),
    };
    await extension.globalState.update(KEPT, figures);
    show();
  };
  const update = () => void keep().catch((error: unknown) => log.warn(errorText(error)));

  show();
  extension.subscriptions.push(
    item,
    libraries.onDidLook(() => {
      update();
      // The engine runs now, so the history costs little; its first reading has it watched, too.
      if (runs.lines === undefined) runs.refresh().catch((error: unknown) => log.warn(errorText(error)));
    }),
    runs.onDidChange(update),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("cacheOps")) show();
    }),
    // The ages in it have become others by then.
    vscode.window.onDidChangeWindowState(show),
  );
}

/** The figures of these libraries, if there are any libraries. */
function keptFigures({ globalState }: vscode.ExtensionContext): Figures | undefined {
  const figures = globalState.get<Figures>(KEPT);
  return figures?.about === aboutLibraries() && figures.libraries.length > 0 ? figures : undefined;
}

function aboutLibraries(): string {
  const { configuration, configurationFile } = coreSettings();
  return JSON.stringify([configurationFile, configuration.libraries ?? []]);
}

function tooltipOf(figures: Figures | undefined, isCurrent: boolean): vscode.MarkdownString {
  const tooltip = new vscode.MarkdownString(markdownOf(figures, isCurrent), true);
  tooltip.isTrusted = { enabledCommands: COMMANDS.map(([, command]) => command) };
  return tooltip;
}

function markdownOf(figures: Figures | undefined, isCurrent: boolean): string {
  const links = COMMANDS.map(([title, command]) => `[${title}](command:${command})`).join(" &nbsp; ");
  if (figures === undefined) return `**Cache Ops**\n\nThe libraries were not looked at yet.\n\n${links}`;
  const { at, libraries, lastCleanup } = figures;
  const rows = libraries.map(
    ({ name, caches, entries, bytes, stale }) =>
      `| ${escapeMarkdown(name)} | ${caches.toLocaleString()} | ${entries.toLocaleString()} | ${formatBytes(bytes)} | ${stale.toLocaleString()} |`,
  );
  const away = libraries
    .flatMap((library) => library.away)
    .map((text) => `- $(warning) ${escapeMarkdown(withoutIcons(text))}`);
  const now = Date.now();
  return [
    `**Cache Ops**, ${isCurrent ? "looked at" : "as of"} ${ago(at, now)}`,
    ["| Library | Caches | Entries | Size | Stale |", "| --- | ---: | ---: | ---: | ---: |", ...rows].join("\n"),
    away.join("\n"),
    lastCleanup === null
      ? ""
      : `Last cleanup ${ago(lastCleanup.at, now)}: ${lastCleanup.entries.toLocaleString()} entries, ${formatBytes(lastCleanup.bytes)} freed`,
    links,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}
