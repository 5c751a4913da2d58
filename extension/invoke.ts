import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { EngineError, errorText, type Following } from "./engine.ts";
import { operationNamed } from "./operations.ts";
import { plain } from "./plain.ts";
import type { Progress, Result } from "./protocol.ts";

/**
 * Runs an operation with progress and cancel, and returns its result. What goes wrong is shown, with what to do about
 * it; then, and when it was cancelled before anything happened, `undefined` is returned.
 */
export async function invokeShown(editor: Editor, name: string, input: unknown): Promise<Result | undefined> {
  return shown(editor, `Cache Ops: ${operationNamed(name).title}`, (following) =>
    editor.engine.request("invoke", { operation: name, input }, following),
  );
}

/** Does some work with progress and cancel in a notification; shows its error and returns `undefined` then. */
export async function shown<T>(
  { log, runs }: Editor,
  title: string,
  work: (following: Required<Following>) => Promise<T>,
): Promise<T | undefined> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  try {
    return await vscode.window.withProgress(options, (notice, token) => {
      let last = 0;
      return work({
        token,
        progress: (made) => {
          const share = made.total === undefined ? 0 : (100 * made.done) / made.total;
          notice.report({ message: textOf(made), increment: Math.max(0, share - last) });
          last = Math.max(last, share);
        },
      });
    });
  } catch (error) {
    // What a worker that ended had begun, the history shows as interrupted.
    if (error instanceof EngineError && error.code === "unavailable" && runs.lines !== undefined)
      runs.refresh().catch((cause: unknown) => log.warn(errorText(cause)));
    await showError(error, log);
    return undefined;
  }
}

function textOf({ message, done, total }: Progress): string {
  const count = total === undefined ? done.toLocaleString() : `${done.toLocaleString()} of ${total.toLocaleString()}`;
  const text = message.length > 60 ? `${message.slice(0, 20)}…${message.slice(-38)}` : message;
  return `${plain(text)} (${count})`;
}

/** Shows an error once, with its hint. A cancelled request is no error: whoever cancelled knows. */
export async function showError(error: unknown, log: vscode.LogOutputChannel): Promise<void> {
  log.error(errorText(error));
  if (error instanceof EngineError && error.code === "interrupted") return;
  const openLog = "Show Log";
  const choice = await vscode.window.showErrorMessage(`Cache Ops: ${plain(firstLine(errorText(error)))}`, openLog);
  if (choice === openLog) log.show();
}

function firstLine(text: string): string {
  const line = text.split("\n")[0] ?? "";
  return line.length > 400 ? `${line.slice(0, 399)}…` : line;
}
