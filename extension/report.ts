import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import type { Result } from "./protocol.ts";

const SCHEME = "cache-ops-report";
/** Longer tables are cut in the editor. */
const MAX_ROWS = 1000;
/** Reports that stay readable when their tab is opened again. */
const MAX_REPORTS = 50;

const texts = new Map<string, string>();

/** Registers the documents in which results are shown. */
export function registerReports({ extension }: Editor): void {
  const provider = {
    provideTextDocumentContent: (uri: vscode.Uri) => texts.get(uri.path) ?? "This report was closed; run it again.",
  };
  extension.subscriptions.push(vscode.workspace.registerTextDocumentContentProvider(SCHEME, provider));
}

/** Opens a result as a page of text: what a terminal would show, with headings and a table. */
export async function openReport(title: string, { view }: Pick<Result, "view">): Promise<void> {
  const path = `/${title} ${new Date().toLocaleTimeString().replaceAll(/[/\\:]/g, ".")}.md`;
  texts.set(path, markdownOf(title, view));
  for (const oldest of texts.keys()) {
    if (texts.size <= MAX_REPORTS) break;
    texts.delete(oldest);
  }
  await vscode.commands.executeCommand("markdown.showPreview", vscode.Uri.from({ scheme: SCHEME, path }));
}

/** A result as Markdown. Everything that comes from a library is escaped: it is text, never markup. */
function markdownOf(title: string, { title: sentence, facts, table, notes }: Result["view"]): string {
  const rows = table.rows.slice(0, MAX_ROWS);
  const more = table.rows.length - rows.length;
  return [
    `# ${escapeMarkdown(title)}`,
    escapeMarkdown(sentence),
    facts.map(([label, value]) => `- ${escapeMarkdown(label)}: **${escapeMarkdown(value)}**`).join("\n"),
    table.rows.length === 0
      ? ""
      : [
          line(table.columns),
          line(table.columns.map(() => "---")),
          ...rows.map((row) => line(row.map((cell) => escapeMarkdown(String(cell))))),
        ].join("\n"),
    more > 0 ? `${more.toLocaleString()} more rows are not shown here; the command line lists or exports all.` : "",
    notes.map((note) => `- ${escapeMarkdown(note)}`).join("\n"),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Text in which nothing is markup. */
export function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\r\n\t]+/g, " ").replaceAll(/[\\`*_{}[\]()#+\-!|<>~&@:$]/g, (character) => `\\${character}`);
}
