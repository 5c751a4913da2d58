import { Buffer } from "node:buffer";

import type { State } from "../../state.ts";
import { NOTE_LENGTH, type Remembered } from "./remembered.ts";

/** Counted up whenever a note means something else, or another rule decides what is in order. */
const FORMAT = 1;
/** Of more directories nothing is remembered: some 120 bytes each. */
const MOST = 500_000;

/** What is remembered of a root; nothing when that was never stored, or by another version. */
export function loadRemembered(state: State, root: string): Remembered {
  const row = state.get("SELECT paths, notes FROM remembered WHERE root = ? AND format = ?", root, FORMAT);
  const [paths, notes] = [row?.["paths"], row?.["notes"]];
  if (!(paths instanceof Uint8Array) || !(notes instanceof Uint8Array)) return NOTHING;
  const names = Buffer.from(paths).toString("utf8").split("\0");
  // A copy of its own begins where numbers may begin.
  const numbers = new Float64Array(new Uint8Array(notes).buffer);
  return numbers.length === names.length * NOTE_LENGTH ? { paths: names, notes: numbers } : NOTHING;
}

/** With nothing remembered, everything is looked into. */
export const NOTHING: Remembered = { paths: [], notes: new Float64Array() };

/** Stores what to remember of a root, in place of what was remembered before. Nobody waits for the disk. */
export function saveRemembered(state: State, root: string, { paths, notes }: Remembered): void {
  state.note(() => {
    if (paths.length === 0 || paths.length > MOST) state.run("DELETE FROM remembered WHERE root = ?", root);
    else {
      const names = Buffer.from(paths.join("\0"));
      const numbers = new Uint8Array(notes.buffer, notes.byteOffset, notes.byteLength);
      state.run("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?)", root, FORMAT, names, numbers);
    }
  });
}
