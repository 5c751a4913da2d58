import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import type { Dice } from "../../support/dice.ts";
import { treeState } from "../../support/tree.ts";

/** One corpus of attacks on one face that runs. */
export interface Group {
  /** How many attacks there are. */
  readonly size: number;
  /** So many that follow one another are made at once. */
  readonly together: number;
  /** Tries one of them, with no other under way, and says in a word what came of it. Throws when that is not as required. */
  attack(index: number, dice: Dice): Promise<string>;
  close(): Promise<unknown>;
}

// On purpose not what the product itself holds to be printable.
const RAW = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/** That no line holds a character that moves a cursor, hides text or turns its direction. */
export function assertPrintable(text: string): void {
  for (const line of text.split("\n")) assert.ok(!RAW.test(line), `shown raw: ${JSON.stringify(line).slice(0, 500)}`);
}

/** What lies in a directory, but for one name in it. */
export function stateBeside(place: string, name: string): unknown[] {
  return readdirSync(place)
    .filter((other) => other !== name)
    .toSorted()
    .map((other) => [other, treeState(join(place, other))]);
}
