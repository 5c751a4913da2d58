import { writeFileSync } from "node:fs";
import { stderr, stdout } from "node:process";

import { CacheOpsError, printable, printableJson, systemError, type View } from "@cache-ops/shared/start";

import { EXIT_CODES } from "./exit-codes.ts";
import { toText } from "./terminal.ts";

/** How a result can be printed. */
export const FORMATS = ["table", "json", "csv", "html"] as const;
export type Format = (typeof FORMATS)[number];

/** Prints a result, or writes it to a file. `output` is what `--json` shows, `view` what all other formats show. */
export async function print(
  output: unknown,
  view: View,
  { format, outputFile }: { readonly format: Format; readonly outputFile: string | undefined },
): Promise<void> {
  const text = await render(output, view, format, outputFile === undefined && stdout.isTTY);
  if (outputFile === undefined) stdout.write(text);
  else {
    try {
      writeFileSync(outputFile, text);
    } catch (error) {
      throw systemError(error, `cannot write ${outputFile}`);
    }
    stderr.write(`Written to ${printable(outputFile)}\n`);
  }
}

async function render(output: unknown, view: View, format: Format, isScreen: boolean): Promise<string> {
  if (format === "json") return jsonLine(output);
  if (format === "table") return toText(view, isScreen);
  const { toCsv, toHtml } = await import("@cache-ops/shared/export");
  return format === "csv" ? toCsv(view) : toHtml(view, new Date().toISOString());
}

/** Prints an error - with `--json` as one object on standard output - and returns its exit code. */
export function printError(error: unknown, asJson: boolean): number {
  const known = systemError(error, "the system refused");
  if (!(known instanceof CacheOpsError)) {
    stderr.write(`This is a bug in cache-ops. Please report it with these lines:\n${describe(error)}\n`);
    if (asJson) stdout.write(jsonLine({ error: { code: "internal", message: "a bug in cache-ops", hint: null } }));
    return EXIT_CODES.internal;
  }
  const { code, message, hint } = known;
  if (asJson) stdout.write(jsonLine({ error: { code, message, hint: hint ?? null } }));
  else {
    stderr.write(`cache-ops: ${printable(message)}\n`);
    if (hint !== undefined) stderr.write(`${printable(hint)}\n`);
  }
  return EXIT_CODES[code];
}

function jsonLine(value: unknown): string {
  return `${printableJson(JSON.stringify(value))}\n`;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
