import * as vscode from "vscode";

import { prepareCommandLine } from "./command-line.ts";
import type { Editor } from "./editor.ts";
import { errorText } from "./engine.ts";
import { programTerminal } from "./program-terminal.ts";
import { OFFERED, parseTask } from "./task-definition.ts";

const TYPE = "cache-ops";

/**
 * Offers the operations that only look as tasks, and runs those of tasks.json: the command line, on this editor's own
 * history and settings. Nothing is started before a task runs; its exit code is the command line's.
 */
export function registerTasks(editor: Editor): void {
  const provider: vscode.TaskProvider = {
    provideTasks: () =>
      OFFERED.map((operation) => makeTask(editor, { type: TYPE, operation }, vscode.TaskScope.Workspace)),
    resolveTask(task) {
      try {
        parseTask(task.definition);
      } catch (error) {
        editor.log.warn(errorText(error));
        return undefined;
      }
      // The editor demands the same definition object back.
      return makeTask(editor, task.definition, task.scope ?? vscode.TaskScope.Workspace, task.name);
    },
  };
  editor.extension.subscriptions.push(vscode.tasks.registerTaskProvider(TYPE, provider));
}

function makeTask(
  editor: Editor,
  definition: vscode.TaskDefinition,
  scope: vscode.WorkspaceFolder | vscode.TaskScope,
  name = String(definition["operation"]),
): vscode.Task {
  const execution = new vscode.CustomExecution(async (resolved) => {
    const { operation, args } = parseTask(resolved);
    const cwd = typeof scope === "object" ? scope.uri.fsPath : vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
    const emitters = { write: new vscode.EventEmitter<string>(), close: new vscode.EventEmitter<number>() };
    const source = new vscode.CancellationTokenSource();
    const prepare = () =>
      prepareCommandLine(editor, source.token).catch((error) => Promise.reject(new Error(errorText(error))));
    return programTerminal(prepare, [operation, ...args], cwd, emitters);
  });
  // No problem matcher: findings are about entries, not about places in files of the workspace.
  const task = new vscode.Task(definition, scope, name, "Cache Ops", execution, []);
  task.presentationOptions = { clear: true, showReuseMessage: false };
  return task;
}
