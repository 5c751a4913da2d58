import { stringify } from "csv-stringify/sync";

import type { View } from "./view.ts";

/** The table of a view as CSV with a header line. Cells that a spreadsheet would run as formulas are escaped. */
export function toCsv({ table }: View): string {
  return stringify([table.columns, ...table.rows], { escape_formulas: true });
}

/** A view as one HTML page that needs nothing else: no script, no style sheet, no picture from outside. */
export function toHtml({ title, facts, table, notes }: View, madeAt: string): string {
  const facts_ = facts.map(([label, value]) => `<dt>${escape(label)}</dt><dd>${escape(value)}</dd>`).join("");
  const head = table.columns.map((column) => `<th scope="col">${escape(column)}</th>`).join("");
  const rows = table.rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  const body =
    table.rows.length === 0 ? "" : `<table><thead><tr>${head}</tr></thead><tbody>\n${rows}\n</tbody></table>`;
  const list = notes.map((note) => `<li>${escape(note)}</li>`).join("");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(title)} - Cache Ops</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(title)}</h1>
<dl>${facts_}</dl>
${body}
${list === "" ? "" : `<ul>${list}</ul>`}
<footer>Cache Ops, ${escape(madeAt)}</footer>
</body>
</html>
`;
}

function cell(value: string | number): string {
  return typeof value === "number" ? `<td class="n">${value}</td>` : `<td>${escape(value)}</td>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { opacity: .7; } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; margin: 1.5rem 0; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; overflow-wrap: anywhere; }
th { position: sticky; top: 0; background: Canvas; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
footer { margin-top: 2rem; opacity: .6; font-size: .85rem; }
`;
