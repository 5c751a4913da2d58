import { stderr, stdout } from "node:process";

import { printable, type Progress, type View } from "@cache-ops/shared/start";

/** Most rows shown on a screen; files and pipes get all of them. */
const SCREEN_ROWS = 60;

/** A view as text for a terminal or a pipe. */
export async function toText({ title, facts, table, notes }: View, isScreen: boolean): Promise<string> {
  const lines = [title, ""];
  const width = Math.max(0, ...facts.map(([label]) => label.length));
  for (const [label, value] of facts) lines.push(`  ${label.padEnd(width)}  ${value}`);
  if (facts.length > 0) lines.push("");
  if (table.rows.length > 0) {
    const { default: Table } = await import("cli-table3");
    const shown = isScreen ? table.rows.slice(0, SCREEN_ROWS) : table.rows;
    const rendered = new Table({
      head: [...table.columns],
      style: { head: [], border: [], compact: true },
      chars: LINES,
    });
    for (const row of shown) rendered.push(row.map(String));
    lines.push(rendered.toString());
    const more = table.rows.length - shown.length;
    if (more > 0) lines.push(`  … and ${more} more: add --format csv, or send this to a file.`);
    lines.push("");
  }
  return `${[...lines, ...notes].join("\n").trimEnd()}\n`;
}

const LINES = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: " ",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ",
};

/** Shows progress on a terminal's standard error; does nothing in a pipe. */
export async function makeProgress(): Promise<{
  readonly report: (progress: Progress) => void;
  readonly stop: () => void;
}> {
  if (!stderr.isTTY) return { report: () => undefined, stop: () => undefined };
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: "{bar} {value}{of} {message}",
    hideCursor: true,
    clearOnComplete: true,
    fps: 5,
  });
  bar.start(0, 0, { message: "", of: "" });
  return {
    report: ({ message, done, total }) => {
      if (total !== undefined) bar.setTotal(total);
      bar.update(done, { message: clip(printable(message)), of: total === undefined ? "" : `/${total}` });
    },
    stop: () => bar.stop(),
  };
}

function clip(text: string): string {
  const room = Math.max(20, (stderr.columns ?? 80) - 50);
  return text.length > room ? `…${text.slice(text.length - room + 1)}` : text;
}

/** Asks a yes-or-no question on the terminal; anything but yes is no. */
export async function confirm(question: string): Promise<boolean> {
  const { stdin } = await import("node:process");
  const { createInterface } = await import("node:readline/promises");
  const reader = createInterface({ input: stdin, output: stdout });
  try {
    return /^y(es)?$/i.test((await reader.question(`${question} [y/N] `)).trim());
  } finally {
    reader.close();
  }
}
