import { isUtf8 } from "node:buffer";

import { decodeString, type Member } from "./document.ts";
import { OUTLINE_CODE } from "./outline-code.ts";

/** An entry by its position, with what it takes to see whether it is in order. */
export interface OutlinedEntry extends Member {
  /** The first name that reading the whole entry would yield. `undefined`: it has to be read to know. */
  readonly name: string | undefined;
}

/** Where the entries of the document in the room stand. Good until the next room is asked for. */
export interface Outline {
  readonly bytes: Buffer;
  readonly count: number;
  /** The 64 hex digits of an entry, by its number from 0 on. */
  readonly keyOf: (index: number) => string;
  /** The name of an entry, as {@link OutlinedEntry} has it. */
  readonly nameOf: (index: number) => string | undefined;
  /** The names of all entries, in their order. */
  readonly names: () => (string | undefined)[];
  /** All of it as objects, by key and in their order. */
  readonly entries: () => Map<string, OutlinedEntry>;
}

/* Offsets in the memory of the code: the text, behind it its notes, behind these the table of keys. See `outline.as`. */
const TEXT = 1024;
const ZEROS = 64;
const NOTE_NUMBERS = 5;
/** An entry without a field, and its comma. */
const SHORTEST_ENTRY = 70;

interface Room {
  readonly run: (start: number, length: number, notes: number, table: number, slots: number) => number;
  readonly memory: WebAssembly.Memory;
  buffer: Buffer;
}

let room: Room | undefined;

/** Room for a document of so many bytes, where {@link outlineRoom} finds it. What was there before is not there any more. */
export function roomFor(size: number): Buffer {
  const { memory } = (room ??= build());
  const { end } = layout(size);
  const pages = Math.ceil((end - memory.buffer.byteLength) / 65_536);
  if (pages > 0) memory.grow(pages);
  if (room.buffer.buffer !== memory.buffer) room.buffer = Buffer.from(memory.buffer);
  return room.buffer.subarray(TEXT, TEXT + size);
}

function build(): Room {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const code = new WebAssembly.Module(Buffer.from(OUTLINE_CODE, "base64"));
  const { outline: run } = new WebAssembly.Instance(code, { env: { memory } }).exports as {
    readonly outline: Room["run"];
  };
  return { run, memory, buffer: Buffer.from(memory.buffer) };
}

function layout(size: number) {
  const most = Math.ceil(size / SHORTEST_ENTRY) + 1;
  const slots = 2 ** Math.ceil(Math.log2(most * 2));
  const notes = (TEXT + size + ZEROS + 3) & ~3;
  const table = notes + most * NOTE_NUMBERS * 4;
  return { notes, table, slots, end: table + slots * 4 };
}

/**
 * The entries of the document of `size` bytes that was put into the room, if it is a cache file as mediabox writes
 * them: found in one pass over the bytes that builds nothing for their fields. `undefined` when anything is out of the
 * ordinary: then `readDocument` has to say what the file holds.
 *
 * 1. What is outlined is a document that `readDocument` accepts: every byte was looked at by the same rules.
 * 2. Its entries are the members that `readDocument` finds, at the same places. Every key is a fingerprint and stands
 *    once, every value is an object.
 * 3. A name is given only for an entry whose one `file_name` is a string. No key has an escape that could spell it.
 */
export function outlineRoom(size: number): Outline | undefined {
  const bytes = roomFor(size);
  if (room === undefined || !isUtf8(bytes)) return undefined;
  const { notes, table, slots } = layout(size);
  const { memory, buffer, run } = room;
  buffer.fill(0, TEXT + size, TEXT + size + ZEROS);
  const count = run(TEXT, size, notes, table, slots);
  if (count < 0) return undefined;
  const numbers = new Uint32Array(memory.buffer, notes, count * NOTE_NUMBERS);
  const numberOf = (index: number, which: number) => (numbers[index * NOTE_NUMBERS + which] ?? 0) - TEXT;
  const keyOf = (index: number) => {
    const start = numberOf(index, 0) + 1;
    return bytes.toString("latin1", start, start + 64);
  };
  const nameOf = (index: number) => {
    const end = numberOf(index, 4);
    return end < 0 ? undefined : decodeString(bytes, numberOf(index, 3), end);
  };
  const names = () => {
    const all: (string | undefined)[] = [];
    for (let index = 0; index < count; index += 1) all.push(nameOf(index));
    return all;
  };
  const entries = () => {
    const byKey = new Map<string, OutlinedEntry>();
    for (let index = 0; index < count; index += 1) {
      const key = keyOf(index);
      const value = { start: numberOf(index, 1), end: numberOf(index, 2), type: "object" } as const;
      byKey.set(key, { key, start: numberOf(index, 0), value, name: nameOf(index) });
    }
    return byKey;
  };
  return { bytes, count, keyOf, nameOf, names, entries };
}

/** What {@link outlineRoom} finds in these bytes, by key and in their order. */
export function outline(bytes: Buffer): ReadonlyMap<string, OutlinedEntry> | undefined {
  roomFor(bytes.length).set(bytes);
  return outlineRoom(bytes.length)?.entries();
}
