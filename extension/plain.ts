import { printable } from "@cache-ops/shared/printable";

/**
 * Text of others for a message of the editor, on one line. The editor makes a link of `[text](command:…)` in messages,
 * prompts and views, which would let the name of a file run a command: here it stays text.
 */
export function plain(text: string): string {
  return printable(text).replaceAll("](", "] (");
}

/** Text of others for a label of a choice, on one line, in which `$(name)` stays text and becomes no icon. */
export function withoutIcons(text: string): string {
  return printable(text).replaceAll("$(", "\\$(");
}

/** Lines of a tooltip, without those that are empty. What stands in a line cannot begin another one. */
export function linesOf(lines: readonly string[]): string {
  return lines
    .filter((line) => line !== "")
    .map(printable)
    .join("\n");
}
