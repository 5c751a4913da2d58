import type { InspectedEntry } from "@cache-ops/shared";

import * as vscode from "vscode";

import { explain, inShort, prospect } from "../words.ts";
import { COMMANDS, remediesFor } from "./commands.ts";
import { factsOf, nameOf, timesOf } from "./facts.ts";
import type { CacheFiles } from "./model.ts";

/** Says of the entry under the pointer what it is, whether its media is as it says, and what a cleanup would do. */
export function hoverProvider(files: CacheFiles): vscode.HoverProvider {
  return {
    async provideHover(document, position, token) {
      const found = await files.entryAt(document, position, token);
      return found && new vscode.Hover(describe(document, found.entry), found.range);
    },
  };
}

function describe(document: vscode.TextDocument, entry: InspectedEntry): vscode.MarkdownString {
  const { problem, reason } = entry;
  const text = new vscode.MarkdownString();
  text.isTrusted = { enabledCommands: COMMANDS };
  // Whatever comes from the file is appended as text; markup stands in this file only.
  text.appendMarkdown("**");
  text.appendText(nameOf(entry));
  text.appendMarkdown("**\n\n");
  text.appendText([...factsOf(entry), ...timesOf(entry)].join(" · "));
  text.appendMarkdown("\n\n");
  if (problem === null || reason === null) {
    text.appendMarkdown("In order: its media file is here and unchanged. A cleanup keeps the entry.");
    return text;
  }
  text.appendMarkdown("**");
  text.appendText(inShort(problem));
  text.appendMarkdown("**\n\n");
  text.appendText(explain(problem, reason.rule, reason.observed));
  text.appendMarkdown("\n\n");
  text.appendText(prospect(problem, reason.rule));
  const links = remediesFor(document, entry).map(linkTo);
  if (links.length > 0) text.appendMarkdown(`\n\n${links.join(" · ")}`);
  return text;
}

/** A link of Markdown that runs a command. The title is ours; the argument may hold text of others. */
export function linkTo({
  command,
  title,
  argument,
}: Readonly<Record<"command" | "title", string>> & { readonly argument: unknown }): string {
  const encoded = encodeURIComponent(JSON.stringify([argument])).replaceAll(/[()*_~!']/g, escape);
  return `[${title}](command:${command}?${encoded})`;
}

/** Parentheses would end a link of Markdown; the rest would mean something elsewhere in it. */
function escape(character: string): string {
  return `%${character.charCodeAt(0).toString(16)}`;
}
