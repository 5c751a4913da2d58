import * as vscode from "vscode";

import type { Engine } from "./engine.ts";
import type { Libraries } from "./libraries.ts";

/** A line of the history, as the operation gives it. */
export interface RunLine {
  readonly run: string;
  readonly plan: string | null;
  readonly undoes: string | null;
  readonly undoneBy: string | null;
  readonly status: string;
  readonly startedAt: string;
  readonly entries: number;
  readonly caches: number;
  readonly reclaimedBytes: number;
  readonly canUndo: boolean;
}

/** What was done, by whomever: editor, agent, command line, cron. They share one store. */
export interface Runs extends vscode.Disposable {
  /** Newest first; `undefined` until the history was read. */
  readonly lines: readonly RunLine[] | undefined;
  readonly onDidChange: vscode.Event<void>;
  /** Reads the history. From the first time on, changes that others make to the store are noticed. */
  refresh(): Promise<readonly RunLine[]>;
  /** A run of this editor ended: reads the history and has the libraries looked at where it changed them. */
  noticed(run: string): Promise<void>;
}

const MAX_LINES = 200;
/** How long changes of the store are gathered, in milliseconds. */
const GATHER_MS = 500;
/** A run that changed more directories has everything looked at again. */
const MAX_DIRECTORIES = 2000;

/** Makes the model of the history. `onError` hears of what goes wrong while nobody waits. */
export function makeRuns(engine: Engine, libraries: Libraries, onError: (error: unknown) => void): Runs {
  const changed = new vscode.EventEmitter<void>();
  const ended = new Set<string>();
  const garbage: vscode.Disposable[] = [changed];
  let lines: readonly RunLine[] | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isWatching = false;

  const refresh = async () => {
    const { output } = await engine.request("invoke", { operation: "history", input: { limit: MAX_LINES } });
    const isFirst = lines === undefined;
    lines = output["runs"] as readonly RunLine[];
    for (const { run, status } of lines) {
      // One that was interrupted may be taken up again, and then ends once more.
      const end = `${run} ${status}`;
      if (status === "running" || ended.has(end)) continue;
      ended.add(end);
      if (!isFirst) await lookAgain(run);
    }
    changed.fire();
    if (!isWatching) await watch();
    return lines;
  };

  const lookAgain = async (run: string) => {
    const directories = await engine.request("affected", { run });
    if (directories.length <= MAX_DIRECTORIES) libraries.lookAgain(directories);
    else await libraries.look(true);
  };

  const watch = async () => {
    isWatching = true;
    const { stateDirectory } = await engine.request("places", {});
    const pattern = new vscode.RelativePattern(vscode.Uri.file(stateDirectory), "state.db*");
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        refresh().catch(onError);
      }, GATHER_MS);
    };
    garbage.push(watcher, watcher.onDidChange(soon), watcher.onDidCreate(soon));
  };

  return {
    get lines() {
      return lines;
    },
    onDidChange: changed.event,
    refresh,
    async noticed(run) {
      try {
        if (lines === undefined) {
          await refresh();
          await lookAgain(run);
        } else await refresh();
      } catch (error) {
        onError(error);
      }
    },
    dispose() {
      clearTimeout(timer);
      for (const item of garbage) item.dispose();
    },
  };
}
