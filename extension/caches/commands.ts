import { basename, dirname, join, relative } from "node:path";

import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import { showError } from "../invoke.ts";
import { setJellyfinKey } from "../jellyfin-key-command.ts";
import { openSettings } from "../open-settings.ts";
import { patternOf } from "../pattern.ts";
import { plain } from "../plain.ts";
import { PROBLEMS } from "../problems.ts";
import type { Sort } from "../protocol.ts";
import {
  changeDirectory,
  evictThis,
  forgetDirectory,
  placeOf,
  reconcileThis,
  registerDirectory,
} from "./managed-commands.ts";
import type { Node } from "./nodes.ts";
import { forgetAll, planMediaAudit, repairProbeCache } from "./probe-commands.ts";
import { registerRemote, serverOf, type OnServer } from "./remote-commands.ts";
import { reviewOnly } from "./review-only.ts";
import type { CachesTree } from "./tree.ts";

/** What can be cleaned by itself: a node of the tree, or a place that another part of the editor names. */
interface Target {
  readonly directory?: string;
  readonly cache?: string;
  /** Key of the entry; with it only that entry is planned for. */
  readonly entry?: string;
  /** Also what lies below the directory. */
  readonly isDeep?: boolean;
}

/** Registers what can be done in the tree of caches and to single caches and entries. */
export function registerCacheCommands(editor: Editor, tree: CachesTree): void {
  const { extension, log } = editor;
  const command = (name: string, work: (...args: never[]) => unknown) =>
    extension.subscriptions.push(
      vscode.commands.registerCommand(`cacheOps.${name}`, async (...args: never[]) => {
        try {
          await work(...args);
        } catch (error) {
          await showError(error, log);
        }
      }),
    );
  command("refresh", () => tree.refresh());
  command("filter", () => chooseProblems(tree));
  command("filterActive", () => chooseProblems(tree));
  command("sort", () => chooseSort(tree));
  command("search", () => askForSearch(tree));
  command("more", (node: Node) => tree.showMore(node));
  command("reveal", (cache: string) => tree.reveal(cache));
  command("openEntry", (node: Node) => openCache(node));
  command("revealMedia", (node: Node) => revealMedia(node));
  command("copyPath", (node: Node) => vscode.env.clipboard.writeText(pathOf(node)));
  command("keep", (target: Node | { readonly cache: string; readonly name: string }) => keep(editor, target));
  command("probeAgain", (node: Node) => probeAgain(editor, node));
  command("cleanThis", async (target: Node | Target) => {
    if (!("type" in target)) await cleanThis(editor, target);
    else if (isMediaAudit(target)) await planMediaAudit(editor, "cleanup", target);
    else await cleanThis(editor, targetOf(target));
  });
  command("repairThis", async (node: Node) => {
    if (isMediaAudit(node)) await planMediaAudit(editor, "repair", node);
    else if (node.type === "probeCache" && (await repairProbeCache(editor))) tree.showAgain();
  });
  command("forgetAll", async () => {
    if (await forgetAll(editor)) tree.showAgain();
  });
  const onNode = (name: string, work: (node: never) => unknown) =>
    command(name, async (node: never) => {
      // The editor knows no element of a row that is being fetched again.
      if (node !== undefined) await work(node);
      else void vscode.window.showInformationMessage("Cache Ops: the list was just being refreshed; please try again.");
    });
  registerManaged(editor, tree, onNode);
  registerRemote(tree, onNode);
  command("setJellyfinKey", (node?: OnServer) => setJellyfinKey(editor, node && serverOf(node)));
  command("cleanHere", (uri: vscode.Uri) => cleanThis(editor, { directory: uri.fsPath, isDeep: true }));
}

type Directory = Extract<Node, { type: "managedDirectory" }>;
type Section = Extract<Node, { type: "managed" }>;

/** What can be done to managed caches and their directories; what changes them has the tree look again. */
function registerManaged(
  editor: Editor,
  tree: CachesTree,
  onNode: (name: string, work: (node: never) => unknown) => void,
): void {
  const changing = (name: string, work: (node: never) => Promise<boolean>) =>
    onNode(name, async (node: never) => {
      if (await work(node)) tree.showAgain();
    });
  onNode("managed.evict", (node: Node) => evictThis(node));
  onNode("managed.reveal", (node: Node) => revealPath(placeOf(node) ?? ""));
  onNode("managed.explain", ({ cache, row: { path } }: Directory) =>
    vscode.commands.executeCommand("cacheOps.info", { cache, path }),
  );
  onNode("managed.putBack", ({ row }: Extract<Node, { type: "quarantined" }>) =>
    vscode.commands.executeCommand("cacheOps.undo", { run: row.run }),
  );
  changing("managed.pin", (node: Directory) => changeDirectory(editor, "pin", node));
  changing("managed.release", (node: Directory) => changeDirectory(editor, "pin", node, { release: true }));
  changing("managed.touch", (node: Directory) => changeDirectory(editor, "touch", node));
  changing("managed.forget", (node: Directory) => forgetDirectory(editor, node));
  changing("managed.register", (node: Section) => registerDirectory(editor, node));
  changing("managed.reconcile", (node: Section) => reconcileThis(editor, node));
}

function isMediaAudit(node: Node): node is Extract<Node, { type: "mediaAudit" | "mediaAuditEntry" }> {
  return node.type === "mediaAudit" || node.type === "mediaAuditEntry";
}

async function chooseProblems(tree: CachesTree): Promise<void> {
  const items = PROBLEMS.map((label) => ({ label, picked: tree.selection.problems.includes(label) }));
  const title = "Show only caches with these problems";
  const chosen = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: "None: all caches",
    canPickMany: true,
  });
  if (chosen !== undefined) tree.select({ problems: chosen.map(({ label }) => label) });
}

async function chooseSort(tree: CachesTree): Promise<void> {
  const items: { readonly label: string; readonly sort: Sort; readonly description?: string }[] = [
    { label: "Most stale first", sort: "stale" },
    { label: "Largest first", sort: "size" },
    { label: "Written longest ago first", sort: "age" },
    { label: "By path", sort: "name" },
  ];
  const marked = items.map((item) => (item.sort === tree.selection.sort ? { ...item, description: "now" } : item));
  const chosen = await vscode.window.showQuickPick(marked, { title: "Order of the directories" });
  if (chosen !== undefined) tree.select({ sort: chosen.sort });
}

async function askForSearch(tree: CachesTree): Promise<void> {
  const search = await vscode.window.showInputBox({
    title: "Search in caches",
    prompt: "Part of a directory's path, or of the name of a media file with a problem. Empty: everything.",
    value: tree.selection.search,
  });
  if (search !== undefined) tree.select({ search });
}

async function openCache(node: Node): Promise<void> {
  const cache =
    node.type === "directory" ? node.row.cache : node.type === "cache" || node.type === "entry" ? node.cache : null;
  if (cache === null) return;
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(cache));
  if (node.type !== "entry") {
    await vscode.window.showTextDocument(document, { preview: true });
    return;
  }
  // The file may have been written since the entry was listed: then it is looked for by its key.
  const { key, start, end } = node.entry;
  const isThere = document.getText().startsWith(JSON.stringify(key), start);
  const at = isThere ? start : Math.max(0, document.getText().indexOf(JSON.stringify(key)));
  const [from, to] = [document.positionAt(at), document.positionAt(isThere ? end : at)];
  await vscode.window.showTextDocument(document, { preview: true, selection: new vscode.Range(from, to) });
}

async function revealMedia(node: Node): Promise<void> {
  await revealPath(mediaOf(node) ?? pathOf(node));
}

async function revealPath(path: string): Promise<void> {
  const uri = vscode.Uri.file(path);
  const isThere = await vscode.workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
  const shownUri = isThere ? uri : vscode.Uri.file(dirname(path));
  if (!isThere)
    void vscode.window.showInformationMessage(`Cache Ops: ${plain(path)} is not there. Showing its directory.`);
  if (vscode.workspace.getWorkspaceFolder(shownUri) !== undefined) {
    await vscode.commands.executeCommand("revealInExplorer", shownUri);
  } else if (vscode.env.uiKind === vscode.UIKind.Desktop && vscode.env.remoteName === undefined) {
    await vscode.commands.executeCommand("revealFileInOS", shownUri);
  } else {
    const copy = "Copy Path";
    const text = `Cache Ops: ${plain(shownUri.fsPath)} lies outside the opened folder, on the server.`;
    if ((await vscode.window.showInformationMessage(text, copy)) === copy) {
      await vscode.env.clipboard.writeText(shownUri.fsPath);
    }
  }
}

/** The media that an entry is about, as far as it says. */
function mediaOf(node: Node): string | null {
  if (node.type === "mediaAuditEntry") return node.row.media;
  return node.type === "entry" && node.entry.name !== null ? join(dirname(node.cache), node.entry.name) : null;
}

function pathOf(node: Node): string {
  switch (node.type) {
    case "root":
      return node.row.root;
    case "directory":
      return node.row.directory;
    case "cache":
      return node.cache;
    case "entry":
      return mediaOf(node) ?? node.cache;
    case "file":
      return node.problem.path;
    case "mediaAudit":
      return node.place;
    case "mediaAuditEntry":
      return node.row.path;
    case "managed":
    case "managedDirectory":
    case "quarantined":
      return placeOf(node) ?? "";
    case "container":
      return node.row.path ?? "";
    default:
      return "";
  }
}

function targetOf(node: Node): Target {
  switch (node.type) {
    case "root":
      return { directory: node.row.root, isDeep: true };
    case "directory":
    case "cache":
      return { directory: node.row.directory };
    case "entry":
      return { cache: node.cache, entry: node.entry.key };
    case "file":
      return { directory: node.directory };
    default:
      return {};
  }
}

/** Probes the media of a directory again, or of one entry, and refreshes the cache. */
async function probeAgain(editor: Editor, node: Node): Promise<void> {
  const path = pathOf(node);
  const directory = node.type === "directory" || node.type === "root" ? path : dirname(path);
  const include = node.type === "entry" && node.entry.name !== null ? [patternOf(node.entry.name)] : ["./*"];
  const input = { paths: [directory], refresh: true, ...(node.type === "root" ? {} : { include }) };
  await vscode.commands.executeCommand("cacheOps.scan", input);
}

/** Adds a media file to the patterns whose entries are kept, in the user's settings. */
async function keep(editor: Editor, target: Node | { readonly cache: string; readonly name: string }): Promise<void> {
  const path = "type" in target ? mediaOf(target) : join(dirname(target.cache), target.name);
  if (path === null) return;
  const pattern = patternOf(relative((await editor.libraries.rootOf(path)) ?? dirname(path), path));
  const settings = vscode.workspace.getConfiguration("cacheOps");
  const before = settings.inspect<string[]>("keep")?.globalValue ?? [];
  if (!before.includes(pattern)) {
    await settings.update("keep", [...before, pattern], vscode.ConfigurationTarget.Global);
  }
  const show = "Open Settings";
  const text = `Cache Ops: entries of ${plain(basename(path))} are kept from now on (setting “keep”).`;
  if ((await vscode.window.showInformationMessage(text, show)) === show) {
    await openSettings("cacheOps.keep");
  }
}

/** Plans for a directory, a cache or an entry alone. The whole library is judged, so guards and moved media count. */
async function cleanThis(editor: Editor, { directory, cache, entry, isDeep }: Target): Promise<void> {
  const place = directory ?? (cache === undefined ? undefined : dirname(cache));
  if (place === undefined) return;
  const root = (await editor.libraries.rootOf(place)) ?? place;
  const below = relative(root, place);
  const include =
    isDeep === true && below === "" ? [] : [`${below === "" ? "." : patternOf(below)}/${isDeep ? "**" : "*"}`];
  const input = { paths: [root], ...(include.length > 0 ? { include } : {}) };
  if (entry === undefined) {
    await vscode.commands.executeCommand("cacheOps.cleanup", input);
    return;
  }
  await reviewOnly(editor, "cleanup", input, (change) => change.entry === entry);
}
