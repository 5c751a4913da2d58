import { join } from "node:path";

import { formatBytes } from "@cache-ops/shared/units";

import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { errorText } from "./engine.ts";
import { showError } from "./invoke.ts";
import { cleanUpUnattended, foundIn, type Cause, type Cleaned, type Done } from "./scheduled-work.ts";
import { durationMs, makeScheduler, type ScheduledAction, type Wanted } from "./scheduler.ts";
import { editorSettings } from "./settings.ts";
import { takeTurn } from "./turn.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Causes of blocked plans that the person was told of, in the global state. */
const TOLD = "schedule.told";

/**
 * Checks or cleans up while the person is away, where the settings ask for it; else nothing but a listener for the
 * settings is there. Of several windows one does it. What it did is said, logged, and can be undone.
 */
export function registerSchedule(editor: Editor): void {
  const directory = join(editor.extension.globalStorageUri.fsPath, "turns");
  const scheduler = makeScheduler({
    now: () => Date.now(),
    wanted,
    takeTurn: (everyMs, now) => takeTurn(directory, everyMs, now),
    run: (action) => runScheduled(editor, action),
    onError: (error) => editor.log.error(`scheduled: ${errorText(error)}`),
  });
  let watching: vscode.Disposable | undefined;
  const settle = () => {
    const isWanted = wanted() !== undefined;
    if (isWanted === (watching !== undefined)) return;
    watching?.dispose();
    watching = isWanted ? watch() : undefined;
  };
  const watch = () => {
    const notice = ({ focused, active }: vscode.WindowState) => scheduler.notice(focused && active);
    notice(vscode.window.state);
    const timer = setInterval(() => void scheduler.tick(), MINUTE_MS);
    const listening = vscode.window.onDidChangeWindowState(notice);
    return vscode.Disposable.from(listening, { dispose: () => clearInterval(timer) });
  };
  settle();
  editor.extension.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("cacheOps.schedule")) settle();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(settle),
    { dispose: () => watching?.dispose() },
  );
}

function wanted(): Wanted | undefined {
  const { scheduled, every, idleMinutes } = editorSettings();
  if ((scheduled !== "check" && scheduled !== "cleanup") || !vscode.workspace.isTrusted) return undefined;
  return { action: scheduled, everyMs: durationMs(every) ?? DAY_MS, idleMs: Math.max(1, idleMinutes) * MINUTE_MS };
}

async function runScheduled(editor: Editor, action: ScheduledAction): Promise<void> {
  const { engine, libraries, log, runs } = editor;
  log.info(`scheduled ${action}: begins`);
  const title = `$(sync~spin) Cache Ops: scheduled ${action}`;
  const done = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title }, async () =>
    action === "check" ? foundIn(await libraries.look(true)) : cleanUpUnattended(engine),
  );
  log.info(`scheduled ${action}: ${JSON.stringify(done)}`);
  if (done.kind === "cleaned") await runs.noticed(done.run);
  const news = await newCauses(editor, done);
  // Not awaited: a notification stands until the person is back, and the schedule goes on.
  say(done, news).catch((error: unknown) => showError(error, log));
}

/** The causes that the person was not told of yet. One that is gone and comes back is told again. */
async function newCauses({ extension }: Editor, done: Done): Promise<readonly Cause[]> {
  const causes = done.kind === "blocked" ? done.causes : [];
  const told = new Set(extension.globalState.get<readonly string[]>(TOLD, []));
  await extension.globalState.update(
    TOLD,
    causes.map(({ key }) => key),
  );
  return causes.filter(({ key }) => !told.has(key));
}

async function say(done: Done, causes: readonly Cause[]): Promise<void> {
  switch (done.kind) {
    case "nothing":
      return;
    case "found": {
      const cleanUp = "Clean Up…";
      const text = `Cache Ops: ${done.stale.toLocaleString()} stale in ${done.caches.toLocaleString()} caches.`;
      if ((await vscode.window.showInformationMessage(text, cleanUp)) === cleanUp)
        await vscode.commands.executeCommand("cacheOps.cleanup", {});
      return;
    }
    case "cleaned":
      return sayCleaned(done);
    case "blocked": {
      const [first] = causes;
      if (first === undefined) return;
      const more = causes.length === 1 ? "" : ` And ${causes.length - 1} more.`;
      const look = "Look…";
      const text = `Cache Ops did nothing while you were away. ${first.text}${more}`;
      if ((await vscode.window.showWarningMessage(text, look)) === look)
        await vscode.commands.executeCommand("cacheOps.cleanup", {});
    }
  }
}

async function sayCleaned({ run, status, entries, caches, bytes, refused }: Cleaned): Promise<void> {
  const [undo, show] = ["Undo", "Show"];
  const what = `${entries.toLocaleString()} stale removed from ${caches.toLocaleString()} caches, ${formatBytes(bytes)} freed`;
  const choice =
    status === "complete"
      ? await vscode.window.showInformationMessage(`Cache Ops, while you were away: ${what}.`, undo, show)
      : await vscode.window.showWarningMessage(
          `Cache Ops, while you were away (${status}): ${what}; ${refused.toLocaleString()} files refused.`,
          ...(entries > 0 ? [undo] : []),
          show,
        );
  if (choice === undo) await vscode.commands.executeCommand("cacheOps.undo", { run });
  if (choice === show) await vscode.commands.executeCommand("cacheOps.history.show", { run });
}
