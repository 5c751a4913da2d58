import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

import * as fc from "fast-check";

import {
  readDocument,
  readObject,
  scalar,
  type Member,
  type ObjectSpans,
} from "../../shared/caches/directory/document.ts";
import { spliceObject, type ObjectEdit } from "../../shared/caches/directory/edit.ts";
import { pythonFloat } from "../../shared/caches/directory/fingerprint.ts";
import { entryText, fieldText, pythonString } from "../../shared/caches/directory/python-json.ts";
import { applySplices, type Splice } from "../../shared/splice.ts";
import { copyLibrary } from "../support/library.ts";

function spansOf(bytes: Buffer): ObjectSpans {
  const reading = readDocument(bytes);
  assert.ok("spans" in reading, bytes.toString());
  return reading.spans;
}

const textOf = (bytes: Buffer, { start, value }: Member) => bytes.toString("utf8", start, value.end);

function edited(text: string, edit: Partial<ObjectEdit>, indent = "  "): string {
  const bytes = Buffer.from(text);
  const whole = { remove: new Set<number>(), replace: new Map<number, string>(), append: [], ...edit };
  return applySplices(bytes, spliceObject(bytes, spansOf(bytes), whole, indent)).toString();
}

const space = fc.constantFrom("", "", " ", "\n  ", "\r\n\t", "\t", "  \n    ");
const key = fc.oneof(fc.constantFrom("a", "__proto__", "1", ""), fc.string({ unit: "binary", maxLength: 5 }));
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    "NaN",
    "-Infinity",
    "1e400",
    "1.50",
    "-0",
    '"\\u00e9\\/"',
    '"},{\\""',
    "{ \t}",
    "[ ]",
    '{"x" : [ 1,2 ]}',
  ),
);
const member = fc
  .tuple(key, json, space, space)
  .map(([name, value, a, b]) => `${JSON.stringify(name)}${a}:${b}${value}`);
const document = fc
  .tuple(space, space, fc.array(fc.tuple(space, member, space), { maxLength: 7 }), space)
  .map(([before, inner, members, after]) => {
    const written = members.map(([a, text, b]) => a + text + b).join(",");
    return `${before}{${written === "" ? inner : written}}${after}`;
  });
/** For each member: keep, remove or replace. Shorter than the object: the rest is kept. */
const deeds = fc.array(
  fc.oneof(
    fc.constantFrom("keep" as const, "remove" as const),
    json.map((text) => ({ text })),
  ),
  {
    maxLength: 8,
  },
);
const additions = fc.array(member, { maxLength: 3 });

type Deed = "keep" | "remove" | { readonly text: string };

function editOf(count: number, deeds: readonly Deed[], append: readonly string[]): ObjectEdit {
  const own = deeds.slice(0, count).entries().toArray();
  return {
    remove: new Set(own.flatMap(([index, deed]) => (deed === "remove" ? [index] : []))),
    replace: new Map(own.flatMap(([index, deed]) => (typeof deed === "object" ? [[index, deed.text] as const] : []))),
    append,
  };
}

describe("spliceObject", () => {
  it("leaves kept members byte for byte and in order, and yields exactly what was wanted, over 20,000 edits", () => {
    fc.assert(
      fc.property(document, deeds, additions, (text, deeds, append) => {
        const bytes = Buffer.from(text);
        const { members } = spansOf(bytes);
        const edit = editOf(members.length, deeds, append);
        const after = Buffer.from(edited(text, edit));
        const wanted = members.flatMap((member, index) => {
          if (edit.remove.has(index)) return [];
          const json = edit.replace.get(index);
          return [
            json === undefined
              ? textOf(bytes, member)
              : bytes.toString("utf8", member.start, member.value.start) + json,
          ];
        });
        assert.deepEqual(
          spansOf(after).members.map((found) => textOf(after, found)),
          [...wanted, ...append],
        );
      }),
      { numRuns: 20_000 },
    );
  });

  it("leaves what stands around the object and between neighbours that are both kept", () => {
    fc.assert(
      fc.property(document, deeds, additions, (text, deeds, append) => {
        const bytes = Buffer.from(text);
        const before = spansOf(bytes);
        const edit = editOf(before.members.length, deeds, append);
        const after = Buffer.from(edited(text, edit));
        const now = spansOf(after);
        assert.equal(after.toString("utf8", 0, now.open), bytes.toString("utf8", 0, before.open));
        assert.equal(after.toString("utf8", now.close), bytes.toString("utf8", before.close));
        const kept = before.members.flatMap((_, index) => (edit.remove.has(index) ? [] : [index]));
        for (const [place, index] of kept.entries()) {
          if (kept[place + 1] !== index + 1) continue;
          const between = (source: Buffer, { members }: ObjectSpans, first: number) =>
            source.toString("utf8", members[first]?.value.end, members[first + 1]?.start);
          assert.equal(between(after, now, place), between(bytes, before, index));
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it("makes {} of an object that loses every member, and no splice where nothing is to be done", () => {
    fc.assert(
      fc.property(document, (text) => {
        const bytes = Buffer.from(text);
        const { members, open } = spansOf(bytes);
        assert.deepEqual(spliceObject(bytes, spansOf(bytes), editOf(0, [], []), "  "), []);
        if (members.length === 0) return;
        const emptied = edited(text, { remove: new Set(members.keys()) });
        assert.equal(emptied.trim(), "{}");
        assert.equal(emptied.slice(0, open), text.slice(0, open));
      }),
    );
  });

  it("writes what Python's json.dump(indent=2) would write of the result, over 5,000 edits", () => {
    const names = fc.uniqueArray(fc.string({ maxLength: 6 }), { maxLength: 6 });
    const entry = fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 4 });
    const property = fc.property(
      names,
      fc.array(entry, { minLength: 9, maxLength: 9 }),
      deeds,
      fc.nat(2),
      fc.boolean(),
      (names, values, deeds, added, crlf) => {
        const all = names.map((name, index): Pair => [name, values[index]]);
        const remove = new Set(all.keys().filter((index) => deeds[index] === "remove"));
        const coming = values.slice(6, 6 + added).map((value, index): Pair => [`new ${index}`, value]);
        const result = [...all.filter((_, index) => !remove.has(index)), ...coming];
        const append = coming.map(([name, value]) =>
          inLines(`${python(name)}: ${python(value, 1)}`, crlf && all.length > 0),
        );
        assert.equal(
          edited(inLines(pythonDump(all), crlf), { remove, append }),
          inLines(pythonDump(result), crlf && all.length > 0),
        );
      },
    );
    fc.assert(property, { numRuns: 5000 });
  });

  it("writes what Python would write of an entry that gains, loses and changes fields", () => {
    const fields = fc.uniqueArray(fc.string({ maxLength: 6 }), { maxLength: 6 });
    fc.assert(
      fc.property(fields, deeds, fc.boolean(), (names, deeds, adds) => {
        const entry = names.map((name, index): Pair => [name, index]);
        const bytes = Buffer.from(pythonDump([["k", new Map(entry)]]));
        const [member] = spansOf(bytes).members;
        assert.ok(member);
        const { remove, replace } = editOf(names.length, deeds, []);
        const edit = {
          remove,
          replace: new Map([...replace.keys()].map((index) => [index, '"new"'])),
          append: adds ? ['"z z": 1.5'] : [],
        };
        const after = applySplices(bytes, spliceObject(bytes, readObject(bytes, member.value.start), edit, "    "));
        const kept = entry.flatMap(([name, value], index): Pair[] =>
          remove.has(index) ? [] : [[name, replace.has(index) ? "new" : value]],
        );
        assert.equal(
          after.toString(),
          pythonDump([["k", new Map([...kept, ...(adds ? [["z z", 1.5] as const] : [])])]]),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

type Pair = readonly [name: string, value: unknown];

const inLines = (text: string, crlf: boolean) => (crlf ? text.replaceAll("\n", "\r\n") : text);

/** An independent `json.dumps(…, indent=2)` for what JSON can hold; maps keep the order of all keys. */
function python(value: unknown, level = 0): string {
  const inside = `\n${"  ".repeat(level + 1)}`;
  const end = `\n${"  ".repeat(level)}`;
  if (Array.isArray(value)) {
    const items = value.map((item) => inside + python(item, level + 1));
    return items.length === 0 ? "[]" : `[${items.join(",")}${end}]`;
  }
  if (typeof value === "object" && value !== null) {
    const pairs = value instanceof Map ? [...(value as ReadonlyMap<string, unknown>)] : Object.entries(value);
    const items = pairs.map(([name, item]) => `${inside}${python(name)}: ${python(item, level + 1)}`);
    return items.length === 0 ? "{}" : `{${items.join(",")}${end}}`;
  }
  return typeof value === "string" ? asciiLiteral(value) : JSON.stringify(value);
}

const pythonDump = (pairs: readonly Pair[]) => python(new Map(pairs));

function asciiLiteral(text: string): string {
  let literal = "";
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    const short = ["\b\\b", "\t\\t", "\n\\n", "\f\\f", "\r\\r", '"\\"', "\\\\\\"].find(
      (pair) => pair.charCodeAt(0) === code,
    );
    if (short !== undefined) literal += short.slice(1);
    else if (code >= 0x20 && code < 0x7f) literal += text[index];
    else literal += `\\u${(0x10000 + code).toString(16).slice(1)}`;
  }
  return `"${literal}"`;
}

describe("applySplices", () => {
  it("does what cutting and pasting from the end does, byte for byte", () => {
    const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    const cuts = fc.array(fc.tuple(fc.nat(40), fc.string({ unit: "binary", maxLength: 4 })), { maxLength: 5 });
    fc.assert(
      fc.property(bytes, cuts, (bytes, cuts) => {
        const bounds = cuts
          .flatMap(([at]) => [at % (bytes.length + 1), (at * 7) % (bytes.length + 1)])
          .toSorted((a, b) => a - b);
        const splices = cuts.map(([, text], index): Splice => ({
          start: bounds[2 * index] ?? 0,
          end: bounds[2 * index + 1] ?? 0,
          text,
        }));
        let expected = bytes;
        for (const { start, end, text } of splices.toReversed())
          expected = Buffer.concat([expected.subarray(0, start), Buffer.from(text), expected.subarray(end)]);
        assert.ok(applySplices(bytes, splices).equals(expected));
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses splices that overlap, run backwards or lie outside", () => {
    const bytes = Buffer.from("0123456789");
    for (const splices of [
      [{ start: 5, end: 4, text: "" }],
      [{ start: 9, end: 11, text: "" }],
      [
        { start: 0, end: 5, text: "" },
        { start: 4, end: 6, text: "" },
      ],
      [
        { start: 6, end: 7, text: "" },
        { start: 1, end: 2, text: "" },
      ],
    ]) {
      assert.throws(() => applySplices(bytes, splices), RangeError);
    }
  });
});

describe("pythonString", () => {
  it("writes what Python 3 wrote of the same text", () => {
    for (const [text, literal] of [
      ["é", '"\\u00e9"'],
      ["日本 🎬", '"\\u65e5\\u672c \\ud83c\\udfac"'],
      ["\u007f\u0080", '"\\u007f\\u0080"'],
      ["\u2028", '"\\u2028"'],
      ["a/b ~", '"a/b ~"'],
      ["\u0000\u001f", '"\\u0000\\u001f"'],
      ['"\\\b\f\n\r\t', '"\\"\\\\\\b\\f\\n\\r\\t"'],
      ["caf\udce9.mkv", '"caf\\udce9.mkv"'],
    ] as const) {
      assert.equal(pythonString(text), literal);
    }
  });

  it("agrees with an independent rendering, is ASCII and reads back as the same text", () => {
    const anything = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 });
    fc.assert(
      fc.property(
        fc.oneof(
          anything.map((units) => String.fromCharCode(...units)),
          fc.string({ unit: "grapheme" }),
        ),
        (text) => {
          const literal = pythonString(text);
          assert.equal(literal, asciiLiteral(text));
          assert.match(literal, /^[ -~]*$/);
          assert.equal(JSON.parse(literal), text);
        },
      ),
      { numRuns: 20_000 },
    );
  });
});

describe("entryText", () => {
  const FLOATS = ["file_mtime", "duration", "last_conversion_duration"];

  for (const [which, files, entries] of [
    ["library", 28, 43],
    ["library-legacy", 27, 42],
  ] as const) {
    it(`writes every cache of the real ${which} anew, byte for byte`, () => {
      const root = copyLibrary(which);
      const caches = globSync("**/.mediabox_cache.json", { cwd: root });
      assert.equal(caches.length, files);
      let count = 0;
      for (const cache of caches) {
        const bytes = readFileSync(join(root, cache));
        const texts = spansOf(bytes).members.map(({ key, value }) => {
          const fields = readObject(bytes, value.start).members.map(({ key: name, value: field }) => {
            const read = scalar(bytes, field);
            if (typeof read === "string") return [name, pythonString(read)] as const;
            return [
              name,
              typeof read === "number" && FLOATS.includes(name) ? pythonFloat(read) : String(read),
            ] as const;
          });
          return entryText(key, fields);
        });
        count += texts.length;
        assert.equal(`{\n  ${texts.join(",\n  ")}\n}`, bytes.toString(), cache);
      }
      assert.equal(count, entries);
    });
  }

  it("escapes key and names", () => {
    assert.equal(entryText("é", [["ü", "1"]]), '"\\u00e9": {\n    "\\u00fc": 1\n  }');
    assert.equal(fieldText('"', "null"), '"\\"": null');
  });
});
