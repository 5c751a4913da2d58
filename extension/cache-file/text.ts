/** What has to be known of a document to tell its text from the bytes of its file. */
interface Origin {
  readonly encoding: string;
  readonly isDirty: boolean;
}

/**
 * The text to judge a document by, or `undefined` when the file itself has to be read.
 *
 * An editor hides what matters here: it cuts a byte order mark off, and shows bytes that are no UTF-8 as U+FFFD. Both
 * damage a cache. What is in the buffer counts as it would be saved.
 */
export function textToInspect(text: string, { encoding, isDirty }: Origin): string | undefined {
  if (encoding === "utf8bom") return `\u{feff}${text}`;
  return !isDirty && (encoding !== "utf8" || text.includes("\u{fffd}")) ? undefined : text;
}

/** Turns a byte offset of the text's UTF-8 into an offset in UTF-16 characters. The first byte order mark is no text. */
export function characterAt(text: string, byte: number): number {
  return Buffer.from(text, "utf8").subarray(0, byte).toString("utf8").length;
}

/** Where the key of an entry that begins at `start` ends: only the key is marked, not all lines of the entry. */
export function endOfKey(text: string, start: number, end: number): number {
  const key = /"(?:[^"\\\n]|\\.){0,200}"/y;
  key.lastIndex = start;
  const found = key.exec(text);
  return found === null ? Math.min(end, start + 1) : Math.min(end, start + found[0].length);
}
