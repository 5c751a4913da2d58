import assert from "node:assert/strict";

import { readDocument } from "../../shared/caches/directory/document.ts";
import { lastByKey, readEntry } from "../../shared/caches/directory/entry.ts";
import { outline } from "../../shared/caches/directory/outline.ts";
import type { Dice } from "../support/dice.ts";

/** A fingerprint to make keys of. */
export const KEY = "0123456789abcdef".repeat(4);

/** Holds an outline against what reading the whole document says. Returns whether there was one. */
export function compareOutline(bytes: Buffer): boolean {
  const outlined = outline(bytes);
  if (outlined === undefined) return false;
  const reading = readDocument(bytes);
  assert.ok("spans" in reading, "only documents in order are outlined");
  const whole = lastByKey(reading.spans);
  assert.deepEqual(
    [...outlined.values()].map(({ key, start, value }) => ({ key, start, value })),
    [...whole.values()],
  );
  for (const [key, { name }] of outlined) {
    const member = whole.get(key);
    const entry = member && readEntry(bytes, member);
    assert.ok(entry !== undefined && typeof entry !== "string");
    if (name !== undefined) assert.equal(name, entry.names[0]);
  }
  return true;
}

const STRINGS = [
  "a",
  "file_name",
  "é",
  "日",
  "😀",
  '\\"',
  "\\\\",
  "\\u0041",
  "\\ud83d",
  "\\/",
  "{",
  "}",
  "[",
  ",",
  ":",
  " ",
];
const BAD_STRINGS = ["\\x", "\\u12", "\n", "\t", "\\"];
const SCALARS = [
  "0",
  "-1",
  "1.5e+3",
  "1E-7",
  "NaN",
  "-Infinity",
  "Infinity",
  "true",
  "false",
  "null",
  "123456789012345678901",
];
const BAD_SCALARS = ["01", "-", "1.", "1e", "tru", "nul", "-NaN", "+1", ".5", ""];
const SPACES = ["", " ", "\n", "\n    ", "\r\n\t", "  "];

function text(dice: Dice): string {
  const pieces = Array.from({ length: dice.below(4) }, () => dice.pick(dice.chance(0.01) ? BAD_STRINGS : STRINGS));
  return `"${pieces.join("")}"`;
}

function value(dice: Dice, depth = 0): string {
  if (dice.chance(0.4)) return text(dice);
  if (dice.chance(0.8) || depth > 3) return dice.pick(dice.chance(0.01) ? BAD_SCALARS : SCALARS);
  return dice.chance(0.5)
    ? object(dice, () => [dice.chance(0.3) ? '"file_name"' : text(dice), value(dice, depth + 1)])
    : `[${Array.from({ length: dice.below(3) }, () => dice.pick(SPACES) + value(dice, depth + 1)).join(",")}]`;
}

function object(dice: Dice, member: (index: number) => readonly [string, string]): string {
  const [before, colon, after] = dice.chance(0.5) ? ["\n    ", ": ", ""] : [0, 1, 2].map(() => dice.pick(SPACES));
  const members = Array.from({ length: dice.below(5) }, (_, index) => {
    const [key, text] = member(index);
    const between = colon === ": " ? colon : `${colon}:${after}`;
    return `${before}${key}${between}${text}${dice.chance(0.1) ? dice.pick(SPACES) : ""}`;
  });
  return `{${members.join(",")}${after}}`;
}

/** A cache document, most of them odd. */
export function oddDocument(dice: Dice): string {
  const field = (): readonly [string, string] => {
    if (dice.chance(0.3)) return ['"file_name"', dice.chance(0.9) ? text(dice) : value(dice)];
    if (dice.chance(0.2))
      return [dice.pick(['"file_path"', '"file_namex"', '"file\\u005fname"', '"file_nam"']), value(dice)];
    return [text(dice), value(dice)];
  };
  const member = (index: number): readonly [string, string] => {
    const key = dice.chance(0.97)
      ? `"${KEY.slice(index)}${"0123456789".slice(0, index)}"`
      : dice.pick([`"${KEY}"`, `"${KEY}0"`, `"\\u0030${KEY.slice(1)}"`, text(dice)]);
    return [key, dice.chance(0.98) ? object(dice, field) : value(dice)];
  };
  return dice.pick(SPACES) + object(dice, member) + dice.pick(SPACES);
}

/** Half of the bytes as they are, the others cut, or with one byte changed, put in or taken out. */
export function damaged(bytes: Buffer, dice: Dice): Buffer {
  if (dice.chance(0.5)) return bytes;
  const at = dice.below(bytes.length + 1);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  const byte = Buffer.from([dice.chance(0.5) ? dice.below(256) : dice.pick([...Buffer.from('"\\{}[]:, 0-')])]);
  return dice.pick([
    () => before,
    () => Buffer.concat([before, after.subarray(1)]),
    () => Buffer.concat([before, byte, after]),
    () => Buffer.concat([before, byte, after.subarray(1)]),
  ])();
}
