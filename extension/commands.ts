import * as vscode from "vscode";

import { openDashboard } from "./dashboard.ts";
import type { Editor } from "./editor.ts";
import { askForInput } from "./form.ts";
import { invokeShown, shown } from "./invoke.ts";
import { openSettings } from "./open-settings.ts";
import { OPERATIONS, operationNamed, type OperationInfo } from "./operations.ts";
import { plain, withoutIcons } from "./plain.ts";
import { openReport } from "./report.ts";
import { showRun, undoRun } from "./run-result.ts";
import { runScan } from "./scan.ts";

type Input = Readonly<Record<string, unknown>>;
type Flow = (editor: Editor, input: Input | undefined) => Promise<unknown>;

/** Registers a command for every operation of the core. Operations without a way of their own get a form. */
export function registerCommands(editor: Editor): void {
  for (const operation of OPERATIONS) {
    const flow = FLOWS[operation.name] ?? ((to: Editor, input?: Input) => runForm(to, operation, input));
    editor.extension.subscriptions.push(
      // Menus pass a tree node or a URI along; only plain input counts.
      vscode.commands.registerCommand(`cacheOps.${operation.name}`, (input?: unknown) =>
        flow(editor, isInput(input, operation) ? input : undefined),
      ),
    );
  }
  editor.extension.subscriptions.push(
    vscode.commands.registerCommand("cacheOps.showLog", () => editor.log.show()),
    vscode.commands.registerCommand("cacheOps.openSettings", () => openSettings()),
  );
}

function isInput(value: unknown, { properties }: OperationInfo): value is Input {
  return typeof value === "object" && value !== null && Object.keys(value).every((name) => name in properties);
}

/** How the operations that the editor has a place for are shown there. */
const FLOWS: Readonly<Record<string, Flow>> = {
  list: async () => vscode.commands.executeCommand("cacheOps.caches.focus"),
  history: async () => vscode.commands.executeCommand("cacheOps.history.focus"),
  stats: (editor) => openDashboard(editor),
  check,
  cleanup: (editor, input) => plan(editor, "cleanup", input),
  repair: (editor, input) => plan(editor, "repair", input),
  evict: (editor, input) => plan(editor, "evict", input),
  empty: (editor, input) => plan(editor, "empty", input),
  clear: (editor, input) => plan(editor, "clear", input),
  restore: (editor, input) => planAsked(editor, "restore", input),
  warm: (editor, input) => planAsked(editor, "warm", input),
  scan: async (editor, given) => {
    const input = given ?? (await choosePlaces(editor, "scan"));
    if (input !== undefined) await runScan(editor, input);
  },
  apply: async (_editor, input) => vscode.commands.executeCommand("cacheOps.review.open", input),
  undo,
};

async function check(editor: Editor, input: Input | undefined): Promise<void> {
  if (input !== undefined) {
    await runForm(editor, operationNamed("check"), input);
    return;
  }
  const summary = await shown(editor, "Cache Ops: Check", (following) => editor.libraries.look(true, following));
  if (summary === undefined) return;
  if (summary.roots.length === 0) {
    const configure = "Configure Library…";
    const choice = await vscode.window.showInformationMessage("Cache Ops: no library is configured yet.", configure);
    if (choice === configure) await vscode.commands.executeCommand("cacheOps.configureLibrary");
    return;
  }
  const stale = summary.roots.reduce((sum, root) => sum + root.stale, 0);
  const away = summary.roots.filter(({ state }) => state !== "healthy");
  const missing = away.length === 0 ? "" : ` Not looked at: ${plain(away.map(({ root }) => root).join(", "))}.`;
  const caches = summary.roots.reduce((sum, root) => sum + root.caches, 0).toLocaleString();
  const found = stale === 0 ? "nothing is stale" : `${stale.toLocaleString()} stale`;
  const [cleanUp, show] = ["Clean Up…", "Show"];
  const text = `Cache Ops: ${found} in ${caches} caches.${missing}`;
  const choice =
    away.length > 0
      ? await vscode.window.showWarningMessage(text, ...(stale > 0 ? [cleanUp] : []), show)
      : await vscode.window.showInformationMessage(text, ...(stale > 0 ? [cleanUp] : []), show);
  if (choice === cleanUp) await plan(editor, "cleanup", {});
  if (choice === show) await vscode.commands.executeCommand("cacheOps.caches.focus");
}

type PlanOperation = "cleanup" | "repair" | "restore" | "warm" | keyof typeof CONFIGURED;

/** Operations on what the settings name: which list of it, which property of the input, and how all of it is called. */
const CONFIGURED = {
  evict: { list: "managed", property: "cache", all: "All managed caches" },
  empty: { list: "engines", property: "engine", all: "All engine caches" },
  clear: { list: "jellyfin", property: "server", all: "All Jellyfin servers" },
} as const;

function isConfigured(name: PlanOperation): name is keyof typeof CONFIGURED {
  return name in CONFIGURED;
}

/** Asks for everything that a plan needs, unless it is given, and makes it. */
async function planAsked(editor: Editor, name: PlanOperation, given: Input | undefined): Promise<void> {
  const input = given ?? (await askForInput(editor, operationNamed(name)));
  if (input !== undefined) await plan(editor, name, input);
}

/** Makes a plan and opens it for review. */
async function plan(editor: Editor, name: PlanOperation, given: Input | undefined): Promise<void> {
  const input = given ?? (await (isConfigured(name) ? chooseConfigured(editor, name) : choosePlaces(editor, name)));
  if (input === undefined) return;
  const result = await invokeShown(editor, name, input);
  if (result !== undefined) await vscode.commands.executeCommand("cacheOps.review.open", { ...result.output, input });
}

/** Asks which libraries a plan is about; the last choice leads to all options. */
async function choosePlaces(editor: Editor, name: string): Promise<Input | undefined> {
  const { configuration } = await editor.engine.request("places", {});
  const { libraries } = configuration;
  if (libraries.length === 0) {
    await vscode.commands.executeCommand("cacheOps.configureLibrary");
    return undefined;
  }
  interface Place extends vscode.QuickPickItem {
    readonly input: Input | "options";
  }
  const places: Place[] = [
    { label: "$(library) All libraries", description: libraries.map((each) => each.name).join(", "), input: {} },
    ...(libraries.length > 1
      ? libraries.map((each) => ({
          label: `$(folder-library) ${each.name}`,
          description: withoutIcons(each.roots.join(", ")),
          input: { paths: [each.name] },
        }))
      : []),
    { label: "$(settings) With options…", description: "Everything that can be set", input: "options" },
  ];
  const operation = operationNamed(name);
  const choice = await vscode.window.showQuickPick(places, { title: operation.title, placeHolder: "Where?" });
  return choice?.input === "options" ? askForInput(editor, operation) : choice?.input;
}

/** Asks which of the configured caches or servers a plan is about; with only one cache nothing. */
async function chooseConfigured(editor: Editor, name: keyof typeof CONFIGURED): Promise<Input | undefined> {
  const { list, property, all } = CONFIGURED[name];
  const { configuration } = await editor.engine.request("places", {});
  const caches = configuration[list];
  // With none the operation itself says what to do. On a server there is more than one thing to do.
  if (caches.length < (name === "clear" ? 1 : 2)) return {};
  const items = [
    { label: `$(server) ${all}`, input: {} },
    ...caches.map((cache) => ({
      label: `$(server) ${cache.name}`,
      description: withoutIcons("root" in cache ? cache.root : "url" in cache ? cache.url : ""),
      input: { [property]: [cache.name] },
    })),
    { label: "$(settings) With options…", input: undefined },
  ];
  const operation = operationNamed(name);
  const choice = await vscode.window.showQuickPick(items, { title: operation.title, placeHolder: "Where?" });
  return choice === undefined ? undefined : (choice.input ?? askForInput(editor, operation));
}

async function undo(editor: Editor, input: Input | undefined): Promise<void> {
  const run = input?.["run"] ?? "last";
  const history = await invokeShown(editor, "history", run === "last" ? { limit: 1000 } : { run });
  const lines = (history?.output["runs"] ?? []) as readonly {
    readonly run: string;
    readonly canUndo: boolean;
    readonly undoes: string | null;
    readonly acknowledge: string | null;
  }[];
  const line = lines.find(({ canUndo, undoes }) => canUndo && (run !== "last" || undoes === null));
  if (history === undefined) return;
  if (line?.acknowledge == null) {
    await vscode.window.showInformationMessage("Cache Ops: there is nothing that could be undone.");
    return;
  }
  const go = "Undo";
  const detail = "Files that changed since are left as they are. The undo can itself be undone.";
  const sentence = `${line.acknowledge.charAt(0).toUpperCase()}${line.acknowledge.slice(1)}?`;
  if ((await vscode.window.showWarningMessage(sentence, { modal: true, detail }, go)) !== go) return;
  await undoRun(editor, line.run);
}

/** Runs an operation on what a form or the caller gave, and shows the result as a page. */
async function runForm(editor: Editor, operation: OperationInfo, given: Input | undefined): Promise<void> {
  const needsNothing = operation.effect === "read" && operation.required.length === 0;
  const input = given ?? (needsNothing ? {} : await askForInput(editor, operation));
  if (input === undefined) return;
  const result = await invokeShown(editor, operation.name, input);
  if (result === undefined) return;
  if (typeof result.output["run"] === "string") await showRun(editor, operation.title, result);
  else await openReport(operation.title, result);
}
