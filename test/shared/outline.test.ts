import assert from "node:assert/strict";
import { env } from "node:process";

import * as fc from "fast-check";

import { readDocument } from "../../shared/caches/directory/document.ts";
import { outline } from "../../shared/caches/directory/outline.ts";
import { makeDice } from "../support/dice.ts";
import { compareOutline, damaged, KEY, oddDocument } from "./odd-documents.ts";

/** `CACHE_OPS_OUTLINE_RUNS=1000000` for a long look: some minutes. */
const ROUNDS = Number(env["CACHE_OPS_OUTLINE_RUNS"] ?? 30_000);

describe("outline", () => {
  it(`agrees with the whole reading wherever it gives an answer, over ${ROUNDS} documents, most of them odd`, () => {
    let answers = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const dice = makeDice(seed);
        answers += Number(compareOutline(damaged(Buffer.from(oddDocument(dice)), dice)));
      }),
      { numRuns: ROUNDS },
    );
    assert.ok(answers > ROUNDS / 10 && answers < ROUNDS, `${answers} answers`);
  });

  it("is given of everything that Python writes, with every name", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" }), { maxLength: 5 }), (names) => {
        const entries = names.map((name, index) => [
          String(index).padStart(64, "0"),
          { a: 1.5, file_name: name, z: null },
        ]);
        const text = JSON.stringify(Object.fromEntries(entries), null, 2);
        const escaped = text.replace(
          /[\u007f-\uffff]/g,
          (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        for (const written of [text, escaped, JSON.stringify(JSON.parse(text))]) {
          const outlined = outline(Buffer.from(written));
          assert.deepEqual(outlined && [...outlined.values()].map(({ name }) => name), names);
          compareOutline(Buffer.from(written));
        }
      }),
      { numRuns: 1000 },
    );
  });

  const documentOf = (keys: readonly string[]) => Buffer.from(`{${keys.map((key) => `"${key}":{}`).join()}}`);

  it("is given of very many keys of which only the last digits differ", () => {
    const keys = Array.from({ length: 200_000 }, (_, index) => index.toString(16).padStart(64, "0"));
    assert.deepEqual([...(outline(documentOf(keys))?.keys() ?? [])], keys);
  });

  it("is not given of keys that were chosen to stand in one place of its table", () => {
    // 300 entries have 1,024 places, as `outline.as` finds them.
    const [places, mixer] = [1024n, 0x9e3779b97f4a7c15n];
    const chosen: string[] = [];
    for (let index = 0; chosen.length < 300; index += 1) {
      const key = index.toString(16).padStart(64, "0");
      let mixed = 0n;
      for (let at = 0; at < 64; at += 8) {
        mixed ^= Buffer.from(key).readBigUInt64LE(at);
        mixed = BigInt.asUintN(64, mixed * mixer);
        mixed ^= mixed >> 32n;
      }
      if ((BigInt.asUintN(64, mixed * mixer) >> 32n) % places === 7n) chosen.push(key);
    }
    assert.equal(outline(documentOf(chosen.slice(0, 250)))?.size, 250);
    assert.equal(outline(documentOf(chosen)), undefined);
    const reading = readDocument(documentOf(chosen));
    assert.equal("spans" in reading && reading.spans.members.length, 300);
  });

  for (const [what, text] of [
    ["a key that stands twice", `{"${KEY}": {}, "${KEY}": {}}`],
    ["a key with an escape", `{"\\u0030${KEY.slice(1)}": {}}`],
    ["a key that is no fingerprint", `{"${KEY.toUpperCase()}": {}}`],
    ["an entry that is no object", `{"${KEY}": [{"file_name": "a"}]}`],
    ["a field's key with an escape, which may spell another", `{"${KEY}": {"file\\u005fname": "a"}}`],
    ["bytes that are not UTF-8", Buffer.from(`{"${KEY}": {"file_name": "\xff"}}`, "latin1")],
    ["more behind the end", `{"${KEY}": {}} {}`],
    ["nesting too deep to be read", `{"${KEY}": {"a": ${"[".repeat(499)}${"]".repeat(499)}}}`],
    ["a comma before the end", `{"${KEY}": {"a": 1,}}`],
  ] as const) {
    it(`is not given of ${what}`, () => {
      assert.equal(outline(Buffer.from(text as string)), undefined);
    });
  }

  for (const [what, fields] of [
    ["has two names", '"file_name": "a", "file_name": "a"'],
    ["has none, or one in an object within", '"a": {"file_name": "x"}'],
    ["has a name that is no text", '"file_name": 1'],
    ["only has a path", '"file_path": "/a/b"'],
  ] as const) {
    it(`leaves the name open of an entry that ${what}`, () => {
      const outlined = outline(Buffer.from(`{"${KEY}": {${fields}}}`));
      assert.deepEqual(outlined && [...outlined.values()].map(({ name }) => name), [undefined]);
    });
  }
});
