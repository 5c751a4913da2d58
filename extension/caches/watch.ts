import * as vscode from "vscode";

/** Watches the directories that are open in the tree. */
export interface Watch extends vscode.Disposable {
  add(directory: string): void;
  remove(directory: string): void;
}

/** So many directories are watched at once; whichever was opened longest ago goes first. */
const MAX_WATCHED = 200;

/** Makes a watch that tells `onChange` which directory something happened in. */
export function makeWatch(onChange: (directories: readonly string[]) => void): Watch {
  const watchers = new Map<string, vscode.Disposable>();
  const remove = (directory: string) => {
    watchers.get(directory)?.dispose();
    watchers.delete(directory);
  };
  return {
    add(directory) {
      if (watchers.has(directory)) return;
      const pattern = new vscode.RelativePattern(vscode.Uri.file(directory), "*");
      const watcher = vscode.workspace.createFileSystemWatcher(pattern);
      const changed = () => onChange([directory]);
      watchers.set(
        directory,
        vscode.Disposable.from(
          watcher,
          watcher.onDidChange(changed),
          watcher.onDidCreate(changed),
          watcher.onDidDelete(changed),
        ),
      );
      for (const oldest of watchers.keys()) {
        if (watchers.size <= MAX_WATCHED) break;
        remove(oldest);
      }
    },
    remove,
    dispose() {
      for (const directory of watchers.keys()) remove(directory);
    },
  };
}
