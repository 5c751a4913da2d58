import * as vscode from "vscode";

import { registerAgents } from "./agents.ts";
import { registerCacheFile } from "./cache-file/index.ts";
import { registerCacheCommands } from "./caches/commands.ts";
import { makeCachesTree } from "./caches/tree.ts";
import { registerCommands } from "./commands.ts";
import { registerConfigure } from "./configure.ts";
import { registerDashboard } from "./dashboard.ts";
import { registerDecorations } from "./decorations.ts";
import type { Editor } from "./editor.ts";
import { errorText, makeEngine } from "./engine.ts";
import { registerHistory } from "./history-tree.ts";
import { makeLibraries } from "./libraries.ts";
import { registerReports } from "./report.ts";
import { registerReview } from "./review/review.ts";
import { makeRuns } from "./runs.ts";
import { registerSchedule } from "./schedule.ts";
import { registerSchedules } from "./schedules-tree.ts";
import { registerStatusBar } from "./status.ts";
import { registerTasks } from "./tasks.ts";

/** Registers everything the extension offers. Nothing is looked at and no process is started before it is asked for. */
export function activate(extension: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("Cache Ops", { log: true });
  const warn = (error: unknown) => log.warn(errorText(error));
  const engine = makeEngine(extension, log);
  const libraries = makeLibraries(engine, warn);
  const runs = makeRuns(engine, libraries, warn);
  const editor: Editor = { extension, engine, log, libraries, runs };
  extension.subscriptions.push(log, engine, libraries, runs);

  registerCommands(editor);
  registerConfigure(editor);
  registerReports(editor);
  registerCacheCommands(editor, makeCachesTree(editor));
  registerReview(editor);
  registerHistory(editor);
  registerDashboard(editor);
  registerCacheFile(editor);
  registerStatusBar(editor);
  registerAgents(editor);
  registerTasks(editor);
  registerSchedule(editor);
  registerSchedules(editor);
  registerDecorations(editor);
}
