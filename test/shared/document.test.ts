import assert from "node:assert/strict";

import * as fc from "fast-check";

import {
  readDocument,
  readObject,
  scalar,
  skipValue,
  type Damage,
  type ObjectSpans,
} from "../../shared/caches/directory/document.ts";

/** JSON as it is written, with the members of objects beside it: what a reader must find there. */
interface Written {
  readonly text: string;
  readonly members?: readonly WrittenMember[];
}

interface WrittenMember {
  /** The key's literal, quotes and escapes included. */
  readonly key: string;
  readonly value: Written;
}

const space = fc.constantFrom("", "", " ", "\n", "\r\n  ", "\t", "\n    ", "  \n\t ");

const pieces = fc.oneof(
  fc.constantFrom('\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0000", "\\u00E9", "\\udce9"),
  fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "'",
    "é",
    "日本",
    "🎬",
    "\u007f",
    "\u2028",
    "e\u0301",
    "\\ud83d\\ude00",
  ),
  fc.string({ unit: "binary", maxLength: 4 }).map((text) => JSON.stringify(text).slice(1, -1)),
);
const stringLiteral = fc.array(pieces, { maxLength: 6 }).map((parts) => `"${parts.join("")}"`);
const keyLiteral = fc.oneof(stringLiteral, fc.constantFrom('"a"', '"__proto__"', '"1"', '""', '"constructor"'));
const scalarLiteral = fc.oneof(
  stringLiteral,
  fc.constantFrom("true", "false", "null", "0", "-0", "1e400", "-1E-400", "1.5e+3", "0.10", "123456789012345678901"),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
);

const objectOf = (value: fc.Arbitrary<Written>): fc.Arbitrary<Written> =>
  fc
    .tuple(space, fc.array(fc.tuple(keyLiteral, value, space, space, space, space), { maxLength: 4 }))
    .map(([inner, written]): Written => ({
      text: `{${inner}${written.map(([key, { text }, a, b, c, d]) => `${a}${key}${b}:${c}${text}${d}`).join(",")}}`,
      members: written.map(([key, value]) => ({ key, value })),
    }));

const { object } = fc.letrec<{ value: Written; object: Written; array: Written }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 3, arbitrary: scalarLiteral.map((text): Written => ({ text })) },
    { weight: 1, arbitrary: tie("object") },
    { weight: 1, arbitrary: tie("array") },
  ),
  object: objectOf(tie("value")),
  array: fc
    .tuple(space, fc.array(fc.tuple(tie("value"), space), { maxLength: 3 }))
    .map(([inner, items]) => ({ text: `[${inner}${items.map(([{ text }, after]) => text + after).join(",")}]` })),
}));

const document = fc
  .tuple(space, object, space)
  .map(([before, { text, members = [] }, after]) => ({ text: before + text + after, members }));

/** What JSON.parse says about bytes, in our words. */
function oracle(bytes: Buffer): Damage["rule"] | "accepted" {
  if (bytes.length === 0) return "empty_file";
  if (bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]))) return "byte_order_mark";
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "invalid_utf8";
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? "accepted" : "not_an_object";
  } catch {
    return "invalid_json";
  }
}

function verdict(bytes: Buffer): Damage["rule"] | "accepted" {
  const reading = readDocument(bytes);
  return "spans" in reading ? "accepted" : reading.damage.rule;
}

function spansOf(text: string | Buffer): ObjectSpans {
  const reading = readDocument(Buffer.from(text));
  assert.ok("spans" in reading, `${JSON.stringify(reading)} for ${String(text).slice(0, 200)}`);
  return reading.spans;
}

function damageOf(text: string | Buffer): Damage {
  const reading = readDocument(Buffer.from(text));
  assert.ok("damage" in reading, String(text).slice(0, 200));
  return reading.damage;
}

/** Compares what was found with what was written, all the way down. */
function assertFound(bytes: Buffer, found: ObjectSpans, written: readonly WrittenMember[]): void {
  assert.equal(bytes[found.open], 0x7b);
  assert.equal(bytes[found.close], 0x7d);
  assert.deepEqual(
    found.members.map(({ key }) => key),
    written.map(({ key }) => JSON.parse(key) as unknown),
  );
  for (const [index, { start, value }] of found.members.entries()) {
    const expected = written[index];
    assert.ok(expected);
    const { text, members } = expected.value;
    assert.equal(bytes.toString("utf8", start, start + Buffer.byteLength(expected.key)), expected.key);
    assert.equal(bytes.toString("utf8", value.start, value.end), text);
    assert.equal(skipValue(bytes, value.start), value.end);
    if (members !== undefined) assertFound(bytes, readObject(bytes, value.start), members);
    const parsed: unknown = JSON.parse(text);
    const isScalar = typeof parsed !== "object" || parsed === null;
    assert.ok(Object.is(scalar(bytes, value), isScalar ? parsed : undefined), text);
  }
}

describe("readDocument", () => {
  it("finds the keys, values and spans that were written, in their order, in 20,000 random documents", () => {
    fc.assert(
      fc.property(document, ({ text, members }) => {
        const bytes = Buffer.from(text);
        assert.equal(oracle(bytes), "accepted");
        assertFound(bytes, spansOf(bytes), members);
      }),
      { numRuns: 20_000 },
    );
  });

  it("accepts prefixes and documents with one wrong byte exactly where JSON.parse does, over 60,000 of them", () => {
    const byte = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(...Buffer.from('{}[]:,"\\/ \n\t09eE+-.tfnu')),
    );
    const kind = fc.constantFrom("replace" as const, "insert" as const, "delete" as const);
    const counts = { accepted: 0, refused: 0 };
    const agree = (bytes: Buffer) => {
      const expected = oracle(bytes);
      assert.equal(verdict(bytes), expected, JSON.stringify(bytes.toString("latin1")));
      counts[expected === "accepted" ? "accepted" : "refused"] += 1;
    };
    fc.assert(
      fc.property(document, fc.nat(), fc.nat(), byte, kind, ({ text }, cut, place, value, kind) => {
        const bytes = Buffer.from(text);
        const at = place % bytes.length;
        agree(bytes.subarray(0, cut % (bytes.length + 1)));
        const middle = kind === "delete" ? [] : [value];
        agree(
          Buffer.concat([bytes.subarray(0, at), Buffer.from(middle), bytes.subarray(at + Number(kind !== "insert"))]),
        );
        agree(Buffer.concat([Buffer.from([value]), bytes]));
      }),
      { numRuns: 20_000 },
    );
    assert.ok(counts.accepted > 3000 && counts.refused > 20_000, JSON.stringify(counts));
  });

  it("says of a cut or damaged document where it begins to be unreadable", () => {
    for (const [text, offset] of [
      ['{"a": 1, "b": tru}', 9],
      ['{"a": 1, "b": "x', 9],
      ['{"a": {"c": 1}, "b": {"d": [1, 2}}', 16],
      ['{"a": 1 "b": 2}', 8],
      ['{"a": 1,}', 8],
      ['{"a": 1} x', 9],
      ['  {"a": 1', 9],
      ['{"é🎬": 1, b: 2}', 14],
      ["x", 0],
      ["{", 1],
      ["  ", 2],
    ] as const) {
      assert.deepEqual(damageOf(text), { rule: "invalid_json", offset }, text);
    }
  });

  it("names the kinds of damage and where they begin", () => {
    assert.deepEqual(damageOf(""), { rule: "empty_file", offset: 0 });
    assert.deepEqual(damageOf("\ufeff{}"), { rule: "byte_order_mark", offset: 0 });
    for (const text of ["[1]", '"x"', "1", "null", "true", "NaN", "[]"])
      assert.deepEqual(damageOf(` ${text} `), { rule: "not_an_object", offset: 1 }, text);
  });

  it("finds the first byte that is not UTF-8, wherever it stands", () => {
    const wrong = ["ff", "c328", "e282", "eda080", "f5808080", "c0af", "80", "f09f8e", "e28222", "f4908080", "bf"];
    const start = fc.string({ unit: "grapheme", maxLength: 12 });
    const end = fc.oneof(fc.constant(""), fc.string({ unit: "grapheme-ascii", maxLength: 12 }));
    fc.assert(
      fc.property(start, fc.constantFrom(...wrong), end, (before, hex, after) => {
        const text = `{"${before}`;
        assert.deepEqual(damageOf(Buffer.concat([Buffer.from(text), Buffer.from(hex, "hex"), Buffer.from(after)])), {
          rule: "invalid_utf8",
          offset: Buffer.byteLength(text),
        });
      }),
      { numRuns: 5000 },
    );
  });

  it("takes NaN and the infinities for numbers, as Python writes them", () => {
    const bytes = Buffer.from('{"a": NaN, "b":Infinity,"c": -Infinity, "d": [NaN, {"e": -Infinity}]}');
    const { members } = spansOf(bytes);
    assert.deepEqual(
      members.map(({ value }) => [value.type, scalar(bytes, value)]),
      [
        ["number", NaN],
        ["number", Infinity],
        ["number", -Infinity],
        ["array", undefined],
      ],
    );
    for (const text of ["Nan", "NaN1", "-NaN", "Infinit", "-Infinit", "+Infinity", "InfinityNaN", "inf", "nan"])
      assert.equal(damageOf(`{"a": ${text}}`).rule, "invalid_json", text);
  });

  it("keeps every occurrence of a key, in order", () => {
    const bytes = Buffer.from('{"k": 1, "j": 2, "\\u006b": 3, "k": 4}');
    assert.deepEqual(
      spansOf(bytes).members.map(({ key, value }) => [key, scalar(bytes, value)]),
      [
        ["k", 1],
        ["j", 2],
        ["k", 3],
        ["k", 4],
      ],
    );
  });

  it("takes __proto__ for a key like any other", () => {
    const bytes = Buffer.from('{"__proto__": {"is_hdr": true}, "\\u005f_proto__": 2}');
    const { members } = spansOf(bytes);
    assert.deepEqual(
      members.map(({ key }) => key),
      ["__proto__", "__proto__"],
    );
    assert.equal(Object.prototype.hasOwnProperty.call(Object.prototype, "is_hdr"), false);
  });

  it("refuses nesting deeper than 500, however deep, without using up the stack", () => {
    const nested = (depth: number, open: string, close: string) =>
      `{"a": ${open.repeat(depth - 1)}1${close.repeat(depth - 1)}}`;
    for (const [open, close] of [
      ["[", "]"],
      ['{"b": ', "}"],
    ] as const) {
      assert.equal(spansOf(nested(500, open, close)).members.length, 1);
      assert.deepEqual(damageOf(nested(501, open, close)), { rule: "too_deep", offset: 1 });
      assert.deepEqual(damageOf(nested(100_000, open, close)), { rule: "too_deep", offset: 1 });
      assert.equal(damageOf(`{"a": ${open.repeat(100_000)}`).rule, "too_deep");
    }
    assert.equal(skipValue(Buffer.from("[".repeat(100_000)), 0), -2);
    assert.equal(skipValue(Buffer.from("[[1]]"), 0, 498), 5);
    assert.equal(skipValue(Buffer.from("[[1]]"), 0, 499), -2);
  });

  it("reads an object of 100,000 members, and numbers and strings of 10,000 digits, whole", () => {
    const digits = "1234567890".repeat(1000);
    const bytes = Buffer.from(
      `{"n": ${digits}, "f": -${digits}.${digits}e-${digits}, "s": "${digits}"${',"k":[]'.repeat(100_000)}}`,
    );
    const { members } = spansOf(bytes);
    assert.equal(members.length, 100_003);
    const [n, f, s] = members;
    assert.ok(n && f && s);
    assert.equal(bytes.toString("latin1", n.value.start, n.value.end), digits);
    assert.equal(scalar(bytes, n.value), Infinity);
    assert.equal(bytes.toString("latin1", f.value.start, f.value.end), `-${digits}.${digits}e-${digits}`);
    assert.equal(scalar(bytes, s.value), digits);
  });
});

describe("skipValue", () => {
  it("ends behind the value and says nothing about what follows", () => {
    for (const [text, end] of [
      ['{"a": [1, {}]} trailing', 14],
      ["12 ", 2],
      ["-0.5e+7x", 7],
      ['"a\\"b"c', 6],
      ["truex", 4],
      ["01", 1],
    ] as const) {
      assert.equal(skipValue(Buffer.from(text), 0), end, text);
    }
  });

  it("is -1 where no value stands, also at the very end", () => {
    for (const text of [
      "",
      "x",
      "{",
      "[1",
      '"',
      '"\\',
      '"\\u12',
      '"\\x"',
      '"\n"',
      "-",
      "1.",
      "1e",
      "tru",
      "[1,]",
      "{,}",
    ])
      assert.equal(skipValue(Buffer.from(text), 0), -1, text);
  });
});
