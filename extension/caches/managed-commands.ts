import { join } from "node:path";

import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import { invokeShown } from "../invoke.ts";
import { plain } from "../plain.ts";
import type { Node } from "./nodes.ts";

type Section = Extract<Node, { type: "managed" }>;
type Directory = Extract<Node, { type: "managedDirectory" }>;

/** Plans what goes of a managed cache, or the eviction of one directory, and opens it for review. */
export async function evictThis(node: Node): Promise<void> {
  const input =
    node.type === "managedDirectory"
      ? { cache: [node.cache], paths: [node.row.path] }
      : { cache: [node.type === "managed" ? node.name : node.type === "quarantine" ? node.cache : ""] };
  await vscode.commands.executeCommand("cacheOps.evict", input);
}

/** Does something to one directory and says so. Returns whether it was done. */
export async function changeDirectory(
  editor: Editor,
  operation: "pin" | "touch",
  { cache, row }: Directory,
  more: Readonly<Record<string, unknown>> = {},
): Promise<boolean> {
  return said(editor, operation, { cache, path: row.path, ...more });
}

/** Takes a directory out of the register, once that is confirmed. Returns whether it did. */
export async function forgetDirectory(editor: Editor, { cache, row }: Directory): Promise<boolean> {
  const go = "Forget";
  const detail = "Its files stay where they are, and no quota counts them any more.";
  const question = `Take ${plain(row.path)} out of the register of ${cache}?`;
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, go)) !== go) return false;
  return said(editor, "forget", { cache, path: row.path });
}

/** Asks for directories below the root of a managed cache and registers them. Returns whether any was. */
export async function registerDirectory(editor: Editor, { name: cache, root }: Section): Promise<boolean> {
  const path = await vscode.window.showInputBox({
    title: `Register a directory of ${cache}`,
    prompt: `Its path below ${plain(root)}. It comes under quota and TTL with its real size.`,
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === "" ? "This has to be given." : undefined),
  });
  return path !== undefined && said(editor, "register", { cache, path });
}

/** Makes the register say what the disk says. Returns whether it did. */
export async function reconcileThis(editor: Editor, { name: cache }: Section): Promise<boolean> {
  return said(editor, "reconcile", { cache });
}

/** The place on the disk that a node of a managed cache stands for. */
export function placeOf(node: Node): string | undefined {
  if (node.type === "managed") return node.root;
  if (node.type === "managedDirectory") return join(node.root, node.row.path);
  return node.type === "quarantined" ? node.row.place : undefined;
}

async function said(editor: Editor, operation: string, input: Readonly<Record<string, unknown>>): Promise<boolean> {
  const result = await invokeShown(editor, operation, input);
  if (result === undefined) return false;
  const { title, notes } = result.view;
  const show = result.outcome === "ok" ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
  void show(`Cache Ops: ${plain([title, ...notes].join(" "))}`);
  return true;
}
