import { formatBytes } from "@cache-ops/shared/units";
import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import { invokeShown } from "../invoke.ts";
import { plain } from "../plain.ts";
import type { Node } from "./nodes.ts";
import { reviewOnly } from "./review-only.ts";

type MediaAuditNode = Extract<Node, { type: "mediaAudit" | "mediaAuditEntry" }>;

/** Plans the cleanup or the repair of a cache of media-audit, or of one file of it, and opens it for review. */
export async function planMediaAudit(editor: Editor, name: "cleanup" | "repair", node: MediaAuditNode): Promise<void> {
  const input = { kind: ["probe"], paths: [node.place] };
  if (node.type === "mediaAudit") await vscode.commands.executeCommand(`cacheOps.${name}`, input);
  else await reviewOnly(editor, name, input, ({ cache }) => cache === node.row.path);
}

/** Empties the central cache of probe results, once that is confirmed. Returns whether it did. */
export async function forgetAll(editor: Editor): Promise<boolean> {
  const dry = await invokeShown(editor, "invalidate", { all: true, dryRun: true });
  if (dry === undefined) return false;
  const { entries, bytes } = dry.output as { readonly entries: number; readonly bytes: number };
  const question = `Forget ${countOf(entries)} (${formatBytes(bytes)})?`;
  const detail = "Their files are probed again when somebody asks for them. This cannot be undone.";
  if (!(await isConfirmed(question, detail, "Forget"))) return false;
  const result = await invokeShown(editor, "invalidate", { all: true });
  if (result === undefined) return false;
  const show = result.outcome === "ok" ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
  void show(`Cache Ops: ${[result.view.title, ...result.view.notes].join(" ")}`);
  return true;
}

/** Saves what can be read of a damaged central cache of probe results, once that is confirmed. Returns whether it did. */
export async function repairProbeCache(editor: Editor): Promise<boolean> {
  const dry = await invokeShown(editor, "invalidate", { damaged: true, dryRun: true });
  if (dry === undefined) return false;
  const [damage] = dry.output["damage"] as readonly string[];
  if (damage === undefined) {
    void vscode.window.showInformationMessage("Cache Ops: the probe results are in order; there is nothing to repair.");
    return false;
  }
  const detail = `${plain(damage)}\nThe file is moved aside, and a new one is started with every result that can be read.`;
  if (!(await isConfirmed("Repair the probe results?", detail, "Repair"))) return false;
  const result = await invokeShown(editor, "invalidate", { damaged: true });
  if (result === undefined) return false;
  const { kept, movedTo } = result.output as { readonly kept: number; readonly movedTo: string | null };
  const aside = movedTo === null ? "" : ` The damaged file is now ${plain(movedTo)}.`;
  void vscode.window.showInformationMessage(`Cache Ops: ${countOf(kept)} saved.${aside}`);
  return true;
}

async function isConfirmed(question: string, detail: string, go: string): Promise<boolean> {
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, go)) === go;
}

function countOf(results: number): string {
  return `${results.toLocaleString()} ${results === 1 ? "probe result" : "probe results"}`;
}
