import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { errorText } from "./engine.ts";
import type { OperationInfo, PropertyInfo } from "./operations.ts";

type Values = Record<string, unknown>;

/** Properties that only other faces use: the editor has its review for them. */
const HIDDEN = new Set(["detail", "from", "only", "acknowledge", "unattended"]);

/**
 * Asks for an operation's input, one property after the other in any order; each is checked while it is typed. Returns
 * `undefined` when the person leaves.
 */
export async function askForInput(editor: Editor, operation: OperationInfo): Promise<Values | undefined> {
  const names = Object.keys(operation.properties).filter((name) => !HIDDEN.has(name));
  const values: Values = {};
  for (const name of operation.required) if (!(await ask(editor, operation, name, values))) return undefined;
  for (;;) {
    const run = { label: `$(play) ${operation.title}`, name: undefined };
    const items = names.map((name) => ({
      label: name,
      name,
      description: name in values ? shownValue(values[name]) : "",
      detail: operation.properties[name]?.description ?? "",
    }));
    const separator = { label: "options", kind: vscode.QuickPickItemKind.Separator, name: undefined };
    const choice = await vscode.window.showQuickPick([run, separator, ...items], {
      title: operation.title,
      placeHolder: "Run it, or choose an option to set",
      matchOnDescription: true,
    });
    if (choice === undefined) return undefined;
    if (choice.name === undefined) return values;
    await ask(editor, operation, choice.name, values);
  }
}

/** Asks for one property. Returns whether it has a value afterwards. */
async function ask(editor: Editor, operation: OperationInfo, name: string, values: Values): Promise<boolean> {
  const property = operation.properties[name] ?? {};
  const title = `${operation.title}: ${name}`;
  const placeHolder = property.description ?? "";
  const choices = property.type === "boolean" ? ["yes", "no"] : (property.enum ?? property.items?.enum);
  if (choices !== undefined && property.type === "array") {
    const before = values[name];
    const items = choices.map((label) => ({ label, picked: Array.isArray(before) && before.includes(label) }));
    const chosen = await vscode.window.showQuickPick(items, { title, placeHolder, canPickMany: true });
    if (chosen !== undefined) set(values, name, chosen.length > 0 ? chosen.map(({ label }) => label) : undefined);
  } else if (choices !== undefined) {
    const chosen = await vscode.window.showQuickPick([...choices, "(not set)"], { title, placeHolder });
    if (chosen === "(not set)") set(values, name, undefined);
    else if (chosen !== undefined) set(values, name, property.type === "boolean" ? chosen === "yes" : chosen);
  } else {
    const typed = await vscode.window.showInputBox({
      title,
      prompt: `${placeHolder}${property.type === "array" ? " Separate several with a semicolon." : ""}`,
      value: name in values ? shownValue(values[name]) : "",
      ignoreFocusOut: true,
      validateInput: async (text) => {
        if (text === "") return operation.required.includes(name) ? "This has to be given." : undefined;
        const request = { operation: operation.name, property: name, value: valueOf(text, property) };
        return editor.engine.request("validate", request).catch(errorText);
      },
    });
    if (typed !== undefined) set(values, name, typed === "" ? undefined : valueOf(typed, property));
  }
  return name in values;
}

function set(values: Values, name: string, value: unknown): void {
  if (value === undefined) delete values[name];
  else values[name] = value;
}

/** What a typed text stands for. What is no number stays text, for the check to say so. */
export function valueOf(text: string, { type, items }: PropertyInfo): unknown {
  if (type === "array") return text.split(";").map((part) => valueOf(part.trim(), items ?? {}));
  if (type !== "integer" && type !== "number") return text;
  const number = Number(text);
  return text.trim() === "" || Number.isNaN(number) ? text : number;
}

function shownValue(value: unknown): string {
  return Array.isArray(value) ? value.join("; ") : String(value);
}
