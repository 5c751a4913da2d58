import type { Dice } from "../support/dice.ts";
import { mutated } from "./fuzz.ts";

const ODD_MEMBERS = [
  '"__proto__":{"polluted":1}',
  '"constructor":{"prototype":{"polluted":1}}',
  '"jsonrpc":"1.0"',
  '"id":null',
  '"method":"tools/call"',
  '"paths":["/"]',
  '"paths":{"length":1e9}',
  '"limit":1e400',
  '"limit":-0',
  '"params":[]',
  '"_meta":{"progressToken":{}}',
  '"":""',
  '"\\ud800":"\\udfff"',
];

const BRACKETS = [
  ["[", "]"],
  ['{"a":', "}"],
] as const;

/** JSON that nobody sane wrote: of another type somewhere, with members twice or of odd names, nested deeply, or broken. */
export function oddJson(text: string, dice: Dice): Buffer {
  if (dice.chance(0.6)) return mutated(text, dice);
  const at = dice.pick([...text.matchAll(/\{(?!\})/g)]).index + 1;
  return Buffer.from(
    `${text.slice(0, at)}${dice.chance(0.7) ? dice.pick(ODD_MEMBERS) : nested(dice)},${text.slice(at)}`,
  );
}

function nested(dice: Dice): string {
  const [depth, [open, close]] = [10 ** (1 + dice.below(5)), dice.pick(BRACKETS)];
  return `${dice.pick(['"limit"', '"params"', '"paths"', '"x"'])}:${open.repeat(depth)}1${close.repeat(depth)}`;
}
