import { isUtf8 } from "node:buffer";

import { decodeString, skipPrimitive, skipSpace, skipString, skipValue, type Member } from "./document.ts";
import { BACKSLASH, CLOSE_BRACE, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./json-bytes.ts";

/** An entry by its position, with what it takes to see whether it is in order. */
export interface OutlinedEntry extends Member {
  /** The first name that reading the whole entry would yield. `undefined`: it has to be read to know. */
  readonly name: string | undefined;
}

const SPACE = 0x20;
const LINE_FEED = 0x0a;

const KEY_LENGTH = 64;
const FILE_NAME = Buffer.from('"file_name"');

/**
 * The entries of a cache file as mediabox writes them, by key and in their order, found in one pass over the bytes that
 * builds nothing for their fields. `undefined` when anything is out of the ordinary: then `readDocument` has to say
 * what the file holds.
 *
 * 1. What is outlined is a document that `readDocument` accepts: every byte was looked at by the same rules.
 * 2. Its entries are the members that `readDocument` finds, at the same places. Every key is a fingerprint and stands
 *    once, every value is an object.
 * 3. A name is given only for an entry whose one `file_name` is a string. No key has an escape that could spell it.
 */
export function outline(bytes: Buffer): ReadonlyMap<string, OutlinedEntry> | undefined {
  if (!isUtf8(bytes)) return undefined;
  const entries = new Map<string, OutlinedEntry>();
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== OPEN_BRACE) return undefined;
  at = skipSpace(bytes, at + 1);
  if (bytes[at] !== CLOSE_BRACE) {
    for (;;) {
      const start = at;
      const keyEnd = skipFingerprint(bytes, at);
      const open = keyEnd < 0 ? keyEnd : skipColon(bytes, keyEnd);
      if (open < 0 || bytes[open] !== OPEN_BRACE) return undefined;
      at = skipFields(bytes, open);
      if (at < 0) return undefined;
      const key = bytes.toString("latin1", start + 1, keyEnd - 1);
      if (entries.has(key)) return undefined;
      const name = nameEnd < 0 ? undefined : decodeString(bytes, nameStart, nameEnd);
      entries.set(key, { key, start, value: { start: open, end: at, type: "object" }, name });
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE_BRACE) break;
      if (bytes[at] !== COMMA) return undefined;
      at = skipSpace(bytes, at + 1);
    }
  }
  return skipSpace(bytes, at + 1) === bytes.length ? entries : undefined;
}

/** Where the `file_name` of the entry that was passed over last stands; `nameEnd` is negative when it has none of use. */
let nameStart = -1;
let nameEnd = -1;

/**
 * The offset behind the entry that opens at `open`, or -1. Leaves behind where its name is.
 *
 * Nearly every byte of a library's caches goes through here, so what Python writes is passed over on the spot: plain
 * strings, `": "` and the line break and indent behind a comma. All else is left to the functions of `document.ts`.
 */
function skipFields(bytes: Buffer, open: number): number {
  let names = 0;
  nameEnd = -1;
  let at = skipSpace(bytes, open + 1);
  if (bytes[at] === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (bytes[at] !== QUOTE) return -1;
    let position = at + 1;
    let byte = bytes[position];
    while (byte !== QUOTE) {
      if (byte === undefined || byte < SPACE || byte === BACKSLASH) return -1;
      position += 1;
      byte = bytes[position];
    }
    const keyEnd = position + 1;
    let value = bytes[keyEnd] === COLON && bytes[keyEnd + 1] === SPACE ? keyEnd + 2 : skipColon(bytes, keyEnd);
    if (value < 0) return -1;
    if (isSpace(bytes[value])) value = skipSpace(bytes, value);
    if (bytes[value] === QUOTE) {
      position = value;
      do {
        position += 1;
        byte = bytes[position];
      } while (byte !== undefined && byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH);
      position = byte === QUOTE ? position + 1 : skipString(bytes, value);
    } else position = skipOther(bytes, value);
    if (position < 0) return -1;
    if (keyEnd - at === FILE_NAME.length && isFileName(bytes, at)) {
      names += 1;
      nameStart = value;
      nameEnd = names === 1 && bytes[value] === QUOTE ? position : -1;
    }
    if (bytes[position] !== COMMA) {
      position = skipSpace(bytes, position);
      if (bytes[position] === CLOSE_BRACE) return position + 1;
      if (bytes[position] !== COMMA) return -1;
    }
    at = position + 1;
    if (bytes[at] === LINE_FEED) at += 1;
    while (bytes[at] === SPACE) at += 1;
    if (isSpace(bytes[at])) at = skipSpace(bytes, at);
  }
}

function skipOther(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  return byte === OPEN_BRACE || byte === OPEN_BRACKET ? skipValue(bytes, at, 2) : skipPrimitive(bytes, at);
}

function isSpace(byte: number | undefined): boolean {
  return byte !== undefined && byte <= SPACE;
}

/** 1 for the digits of a fingerprint. */
const IS_HEX = Uint8Array.from({ length: 256 }, (_, byte) => Number(/[0-9a-f]/.test(String.fromCharCode(byte))));

function skipFingerprint(bytes: Buffer, at: number): number {
  const end = at + 1 + KEY_LENGTH;
  if (bytes[at] !== QUOTE || bytes[end] !== QUOTE) return -1;
  for (let position = at + 1; position < end; position += 1) if (IS_HEX[bytes[position] ?? 0] !== 1) return -1;
  return end + 1;
}

function skipColon(bytes: Buffer, at: number): number {
  const colon = skipSpace(bytes, at);
  return bytes[colon] === COLON ? skipSpace(bytes, colon + 1) : -1;
}

function isFileName(bytes: Buffer, at: number): boolean {
  for (let index = 0; index < FILE_NAME.length; index += 1) if (bytes[at + index] !== FILE_NAME[index]) return false;
  return true;
}
