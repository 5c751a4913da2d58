import { isUtf8 } from "node:buffer";

import type { Splice } from "../../splice.ts";
import { readDocument, skipValue, skipSpace } from "./document.ts";

/** How a damaged cache file can be made readable again. */
export interface Salvage {
  readonly splices: readonly Splice[];
  /** Entries that are saved. */
  readonly entries: number;
}

const ENTRY_START = /(?<!\\)"[0-9a-f]{64}"[ \t\r\n]*:[ \t\r\n]*\{/g;

/**
 * Finds every entry of a damaged cache file that is whole, wherever it stands, and the cuts that leave a readable
 * file of exactly these entries, each byte for byte. `undefined` when there is none to save.
 */
export function salvage(bytes: Buffer): Salvage | undefined {
  const withoutMark = cutMark(bytes);
  if (withoutMark !== undefined) return withoutMark;
  const spans: { readonly start: number; readonly end: number }[] = [];
  // latin1: one character a byte, so positions are byte offsets.
  const text = bytes.toString("latin1");
  const pattern = new RegExp(ENTRY_START);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const end = skipValue(bytes, match.index + match[0].length - 1, 1);
    if (end < 0 || !isUtf8(bytes.subarray(match.index, end))) continue;
    spans.push({ start: match.index, end });
    pattern.lastIndex = end;
  }
  if (spans.length === 0) return undefined;
  const splices: Splice[] = [];
  let at = 0;
  for (const [index, { start, end }] of spans.entries()) {
    splices.push({ start: at, end: start, text: index === 0 ? "{\n  " : ",\n  " });
    at = end;
  }
  splices.push({ start: at, end: bytes.length, text: "\n}" });
  return { splices, entries: spans.length };
}

/** A file that is in order but for a byte order mark loses just that. */
function cutMark(bytes: Buffer): Salvage | undefined {
  const damaged = readDocument(bytes);
  if (!("damage" in damaged) || damaged.damage.rule !== "byte_order_mark") return undefined;
  const rest = bytes.subarray(3);
  const reading = readDocument(rest.subarray(skipSpace(rest, 0)));
  if ("damage" in reading) return undefined;
  return { splices: [{ start: 0, end: 3, text: "" }], entries: reading.spans.members.length };
}
