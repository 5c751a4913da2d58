/** Puts `text` in the place of the bytes `[start, end)` of the old file. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The bytes after the splices, which must be in order and not overlap. */
export function applySplices(bytes: Buffer, splices: readonly Splice[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const splice of splices) {
    if (splice.start < at || splice.end < splice.start || splice.end > bytes.length)
      throw new RangeError(`splice [${splice.start}, ${splice.end}) is out of order`);
    parts.push(bytes.subarray(at, splice.start), Buffer.from(splice.text, "utf8"));
    at = splice.end;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
}
