import { basename } from "node:path";

import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { showError } from "./invoke.ts";
import { plain, withoutIcons } from "./plain.ts";

interface Library {
  readonly name: string;
  readonly roots: readonly string[];
}

/** Registers the command that names media directories as libraries, in the user's settings. */
export function registerConfigure(editor: Editor): void {
  editor.extension.subscriptions.push(
    vscode.commands.registerCommand("cacheOps.configureLibrary", async (from?: unknown) => {
      try {
        if (from === "workspace")
          await add(editor, vscode.workspace.workspaceFolders?.map(({ uri }) => uri.fsPath) ?? []);
        else await choose(editor);
      } catch (error) {
        await showError(error, editor.log);
      }
    }),
  );
}

async function choose(editor: Editor): Promise<void> {
  interface Item extends vscode.QuickPickItem {
    readonly run?: () => Promise<void>;
  }
  const folders = vscode.workspace.workspaceFolders?.map(({ uri }) => uri.fsPath) ?? [];
  const items: Item[] = [
    { label: "$(folder-opened) Choose a directory…", run: () => browse(editor) },
    { label: "$(edit) Type a path or pattern…", description: "/mnt/disk*/media", run: () => type(editor) },
    ...folders.map((folder) => ({
      label: `$(add) ${withoutIcons(folder)}`,
      description: "opened folder",
      run: () => add(editor, [folder]),
    })),
    ...(own().length > 0 ? [{ label: "libraries in your settings", kind: vscode.QuickPickItemKind.Separator }] : []),
    ...own().map((library) => ({
      label: `$(library) ${library.name}`,
      description: withoutIcons(library.roots.join(", ")),
      run: () => remove(library),
    })),
  ];
  const choice = await vscode.window.showQuickPick(items, {
    title: "Libraries",
    placeHolder: "Add a media directory, or choose a library to remove it from the settings",
  });
  await choice?.run?.();
}

/** Libraries of the user's own settings. Those of the configuration file and of the workspace are edited there. */
function own(): readonly Library[] {
  return vscode.workspace.getConfiguration("cacheOps").inspect<Library[]>("libraries")?.globalValue ?? [];
}

async function save(libraries: readonly Library[]): Promise<void> {
  await vscode.workspace.getConfiguration("cacheOps").update("libraries", libraries, vscode.ConfigurationTarget.Global);
}

async function browse(editor: Editor): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({
    canSelectFiles: false,
    canSelectFolders: true,
    canSelectMany: true,
    openLabel: "Add as Library",
    title: "Directories with media",
  });
  if (chosen !== undefined)
    await add(
      editor,
      chosen.map(({ fsPath }) => fsPath),
    );
}

async function type(editor: Editor): Promise<void> {
  const typed = await vscode.window.showInputBox({
    title: "Media directory",
    prompt: "Absolute path of a directory, or a pattern of directories such as /mnt/disk*/media.",
    ignoreFocusOut: true,
    validateInput: (text) => (/^(\/|[A-Za-z]:[\\/])/.test(text) ? undefined : "Give an absolute path."),
  });
  if (typed !== undefined) await add(editor, [typed]);
}

async function add(editor: Editor, roots: readonly string[]): Promise<void> {
  const [first] = roots;
  if (first === undefined) {
    void vscode.window.showInformationMessage("Cache Ops: no folder is opened. Choose a directory instead.");
    return;
  }
  const taken = new Set((await editor.engine.request("places", {})).configuration.libraries.map(({ name }) => name));
  const proposed =
    basename(first)
      .replaceAll(/[^A-Za-z0-9_-]+/g, "-")
      .replace(/^[-_]+/, "")
      .slice(0, 64) || "media";
  const name = await vscode.window.showInputBox({
    title: "Name of the library",
    prompt: `How to call ${withoutIcons(plain(roots.join(", ")))}`,
    value: taken.has(proposed) ? "" : proposed,
    ignoreFocusOut: true,
    validateInput: (text) => {
      if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(text)) return "Use up to 64 letters, digits, - and _.";
      return taken.has(text) ? "There is a library of this name." : undefined;
    },
  });
  if (name === undefined) return;
  await save([...own(), { name, roots: [...roots] }]);
  await vscode.commands.executeCommand("cacheOps.caches.focus");
}

async function remove({ name, roots }: Library): Promise<void> {
  const go = "Remove from Settings";
  const detail = `${roots.join(", ")}\nNo file is touched, and its history stays.`;
  if ((await vscode.window.showWarningMessage(`Forget the library ${name}?`, { modal: true, detail }, go)) !== go)
    return;
  await save(own().filter((library) => library.name !== name));
}
