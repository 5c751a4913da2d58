import type { Dice } from "../support/dice.ts";
import { WITH_BODY, WITHOUT_BODY } from "./wire-changes.ts";
import { REQUESTS, sketched, written, type Caller } from "./wire-requests.ts";
import { SPOILED } from "./wire-spoiled.ts";

/** Bytes for a connection. */
export interface Message {
  readonly bytes: Buffer;
  /** How many requests in it have to be answered; 0: the server may as well wait for more of it. */
  readonly answers: number;
  readonly kind: string;
}

/** A socket takes so many bytes without anybody reading them. */
const MOST_AT_ONCE = 65_536;

/** A message for a number of a case: as it should be, or not. */
export function makeMessage(dice: Dice, caller: Caller): Message {
  const sketch = sketched(dice.pick(REQUESTS), caller, dice.below(2 ** 31));
  const share = dice.below(100);
  if (share < 5) return { bytes: written(sketch), answers: 1, kind: "as it should be" };
  if (share < 10) return pipelined(dice, caller);
  if (share < 60) {
    const [kind, change] = dice.pick(sketch.body.length === 0 ? WITHOUT_BODY : WITH_BODY);
    const bytes = written(change(sketch, dice));
    // To a client that is still sending, an answer may be lost.
    return { bytes, answers: bytes.length > MOST_AT_ONCE ? 0 : 1, kind };
  }
  const [kind, spoil] = dice.pick(SPOILED);
  return { bytes: spoil(sketch, dice), answers: 0, kind };
}

/** Several requests in one piece; all are answered, or the connection is closed after an answer. */
function pipelined(dice: Dice, caller: Caller): Message {
  const parts = Array.from({ length: 2 + dice.below(5) }, () => {
    const sketch = sketched(dice.pick(REQUESTS), caller, dice.below(2 ** 31));
    return written(dice.chance(0.5) ? sketch : dice.pick(WITHOUT_BODY)[1](sketch, dice));
  });
  return { bytes: Buffer.concat(parts), answers: parts.length, kind: "several at once" };
}
