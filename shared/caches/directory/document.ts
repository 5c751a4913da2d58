import { isUtf8 } from "node:buffer";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Where a JSON value stands in the bytes, `[start, end)`, and what it begins with. */
export interface Value {
  readonly start: number;
  readonly end: number;
  readonly type: "object" | "array" | "string" | "number" | "literal";
}

/** One `"key": value` of a JSON object; `start` is the key's opening quote. */
export interface Member {
  readonly key: string;
  readonly start: number;
  readonly value: Value;
}

/** A JSON object with the positions of its members. `open` and `close` are the offsets of its braces. */
export interface ObjectSpans {
  readonly open: number;
  readonly close: number;
  readonly members: readonly Member[];
}

/** Why bytes are not the JSON object they should be, and where. */
export interface Damage {
  readonly rule: "empty_file" | "invalid_utf8" | "byte_order_mark" | "invalid_json" | "too_deep" | "not_an_object";
  /** Byte offset at which the trouble begins. */
  readonly offset: number;
}

/** The outcome of reading a document. */
export type Reading = { readonly spans: ObjectSpans } | { readonly damage: Damage };

/** Deeper nesting is refused; Python's own reader gives up at about 1,000. */
const MAX_DEPTH = 500;

/**
 * Finds the members of a JSON object in its bytes, without building values: the spans are what edits cut by.
 *
 * Accepts exactly what Python's `json.load` accepts, so also `NaN`, `Infinity` and `-Infinity`; validates everything
 * it passes over, but keeps duplicates, unknown keys and numbers of any length. Works in constant stack space.
 */
export function readDocument(bytes: Buffer): Reading {
  const failed = (rule: Damage["rule"], offset: number): Reading => ({ damage: { rule, offset } });
  if (bytes.length === 0) return failed("empty_file", 0);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return failed("byte_order_mark", 0);
  if (!isUtf8(bytes)) return failed("invalid_utf8", firstInvalidUtf8(bytes));
  const start = skipSpace(bytes, 0);
  const end = skipValue(bytes, start);
  if (end < 0) return failed(end === TOO_DEEP ? "too_deep" : "invalid_json", damagedAt(bytes, start));
  const rest = skipSpace(bytes, end);
  if (rest < bytes.length) return failed("invalid_json", rest);
  if (bytes[start] !== OPEN_BRACE) return failed("not_an_object", start);
  return { spans: readObject(bytes, start) };
}

/** The members of the object that begins at `open`. Only for bytes that {@link readDocument} or {@link skipValue} accepted. */
export function readObject(bytes: Buffer, open: number): ObjectSpans {
  const members: Member[] = [];
  let at = skipSpace(bytes, open + 1);
  while (bytes[at] !== CLOSE_BRACE) {
    const keyEnd = skipString(bytes, at);
    const valueStart = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const valueEnd = skipValue(bytes, valueStart);
    members.push({
      key: decodeString(bytes, at, keyEnd),
      start: at,
      value: { start: valueStart, end: valueEnd, type: typeAt(bytes, valueStart) },
    });
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return { open, close: at, members };
}

/** A scalar as JavaScript holds it; `undefined` for objects and arrays. `NaN` and the infinities are numbers. */
export function scalar(bytes: Buffer, value: Value): string | number | boolean | null | undefined {
  switch (value.type) {
    case "string":
      return decodeString(bytes, value.start, value.end);
    case "number":
      return Number(bytes.toString("latin1", value.start, value.end));
    case "literal": {
      const text = bytes.toString("latin1", value.start, value.end);
      return text === "null" ? null : text === "true";
    }
    case "object":
    case "array":
      return undefined;
  }
}

const FAILED = -1;
const TOO_DEEP = -2;

/**
 * The offset behind the JSON value at `at`, or a negative number: -1 not valid, -2 nested too deep. `depth` is the
 * number of objects and arrays it stands in.
 */
export function skipValue(bytes: Buffer, at: number, depth = 0): number {
  const closers: number[] = [];
  let position = at;
  for (;;) {
    const byte = bytes[position];
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth + closers.length >= MAX_DEPTH) return TOO_DEEP;
      const closer = byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
      position = skipSpace(bytes, position + 1);
      if (bytes[position] !== closer) {
        closers.push(closer);
        if (closer === CLOSE_BRACE && (position = skipKey(bytes, position)) < 0) return FAILED;
        continue;
      }
      position += 1;
    } else {
      position = byte === QUOTE ? skipString(bytes, position) : skipPrimitive(bytes, position);
      if (position < 0) return FAILED;
    }
    // A value ended here: close what ends with it, then go on behind a comma.
    for (;;) {
      const closer = closers.at(-1);
      if (closer === undefined) return position;
      position = skipSpace(bytes, position);
      if (bytes[position] === closer) {
        closers.pop();
        position += 1;
      } else if (bytes[position] === COMMA) {
        position = skipSpace(bytes, position + 1);
        if (closer === CLOSE_BRACE && (position = skipKey(bytes, position)) < 0) return FAILED;
        break;
      } else return FAILED;
    }
  }
}

function skipKey(bytes: Buffer, at: number): number {
  if (bytes[at] !== QUOTE) return FAILED;
  const end = skipString(bytes, at);
  if (end < 0) return FAILED;
  const colon = skipSpace(bytes, end);
  return bytes[colon] === COLON ? skipSpace(bytes, colon + 1) : FAILED;
}

/** The offset behind the string whose opening quote is at `at`, or a negative number when it is not valid. */
function skipString(bytes: Buffer, at: number): number {
  let position = at + 1;
  for (;;) {
    const byte = bytes[position];
    if (byte === undefined || byte < 0x20) return FAILED;
    if (byte === QUOTE) return position + 1;
    position += 1;
    if (byte !== BACKSLASH) continue;
    const escaped = bytes[position];
    if (escaped === 0x75) {
      for (let digit = 1; digit <= 4; digit += 1) if (!isHex(bytes[position + digit])) return FAILED;
      position += 5;
    } else if (escaped !== undefined && ESCAPABLE.has(escaped)) position += 1;
    else return FAILED;
  }
}

const ESCAPABLE = new Set(Buffer.from('"\\/bfnrt'));

function isHex(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66));
}

const WORDS = new Map(
  ["true", "false", "null", "NaN", "Infinity"].map((word) => [word.charCodeAt(0), Buffer.from(word)]),
);

/** The offset behind the number or literal at `at`, or a negative number when there is none. */
function skipPrimitive(bytes: Buffer, at: number): number {
  const first = bytes[at] === 0x2d ? at + 1 : at;
  if (!isDigit(bytes[first])) return skipWord(bytes, at, first);
  let position = bytes[first] === 0x30 ? first + 1 : skipDigits(bytes, first);
  if (bytes[position] === 0x2e && (position = skipDigits(bytes, position + 1)) < 0) return FAILED;
  if (((bytes[position] ?? 0) | 0x20) === 0x65) {
    position += 1;
    if (bytes[position] === 0x2b || bytes[position] === 0x2d) position += 1;
    position = skipDigits(bytes, position);
  }
  return position;
}

/** Of the words only Infinity may have a sign before it: then `first` is behind that. */
function skipWord(bytes: Buffer, at: number, first: number): number {
  const word = WORDS.get(bytes[first] ?? 0);
  if (word === undefined || (first > at && bytes[first] !== 0x49)) return FAILED;
  for (let index = 1; index < word.length; index += 1) if (bytes[first + index] !== word[index]) return FAILED;
  return first + word.length;
}

function skipDigits(bytes: Buffer, at: number): number {
  let position = at;
  while (isDigit(bytes[position])) position += 1;
  return position > at ? position : FAILED;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** The offset of the next byte that is not JSON white space. */
export function skipSpace(bytes: Buffer, at: number): number {
  let position = at;
  for (;;) {
    const byte = bytes[position];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return position;
    position += 1;
  }
}

function typeAt(bytes: Buffer, at: number): Value["type"] {
  const byte = bytes[at];
  if (byte === OPEN_BRACE) return "object";
  if (byte === OPEN_BRACKET) return "array";
  if (byte === QUOTE) return "string";
  return byte === 0x2d || isDigit(byte) || byte === 0x4e || byte === 0x49 ? "number" : "literal";
}

/** The text of a valid string literal, quotes included in `[start, end)`. */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("utf8", start + 1, end - 1);
  return text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
}

function firstInvalidUtf8(bytes: Buffer): number {
  let valid = 0;
  let invalid = bytes.length;
  while (valid + 1 < invalid) {
    const middle = (valid + invalid) >> 1;
    // Up to three bytes of an unfinished character may end a prefix that is itself in order.
    const inOrder = [0, 1, 2, 3].some((cut) => cut <= middle && isUtf8(bytes.subarray(0, middle - cut)));
    if (inOrder) valid = middle;
    else invalid = middle;
  }
  while (!isUtf8(bytes.subarray(0, valid))) valid -= 1;
  return valid;
}

function damagedAt(bytes: Buffer, start: number): number {
  if (bytes[start] !== OPEN_BRACE) return start;
  let at = skipSpace(bytes, start + 1);
  for (;;) {
    const valueStart = skipKey(bytes, at);
    const valueEnd = valueStart < 0 ? valueStart : skipValue(bytes, valueStart, 1);
    if (valueEnd < 0) return at;
    const next = skipSpace(bytes, valueEnd);
    if (bytes[next] !== COMMA) return next;
    at = skipSpace(bytes, next + 1);
  }
}
