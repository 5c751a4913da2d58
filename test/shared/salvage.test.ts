import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { salvage } from "../../shared/caches/directory/salvage.ts";
import { applySplices } from "../../shared/splice.ts";
import { CACHE, copyLibrary } from "../support/library.ts";

describe("salvage", () => {
  const directory = join(copyLibrary(), "movies", "Names");
  const bytes = readFileSync(join(directory, CACHE));
  const entries = bytes
    .toString()
    .slice(4, -2)
    .split(/,\n {2}(?=")/);

  const saved = (damaged: Buffer) => {
    const found = salvage(damaged);
    return found === undefined ? undefined : applySplices(damaged, found.splices).toString();
  };
  const cacheOf = (texts: readonly string[]) => (texts.length === 0 ? undefined : `{\n  ${texts.join(",\n  ")}\n}`);

  it("saves every whole entry of a cache cut at any byte", () => {
    assert.equal(entries.length, 13);
    let ends = 2;
    const whole = entries.map((text) => (ends += Buffer.byteLength(text) + (ends === 2 ? 2 : 4)));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const expected = cacheOf(entries.filter((_, index) => (whole[index] ?? Infinity) <= cut));
      assert.equal(saved(bytes.subarray(0, cut)), expected, `cut at ${cut}`);
    }
  });

  it("saves all entries but the one in which garbage stands, wherever in it", () => {
    for (const garbage of ["\0\0\0\0", '"', "\xff", "{"]) {
      for (const [index, text] of entries.entries()) {
        const start = bytes.indexOf(text) + 90 + ((index * 37) % (text.length - 110));
        const damaged = Buffer.from(bytes);
        damaged.write(garbage, start, "latin1");
        const found = saved(damaged);
        const others = entries.filter((other) => other !== text);
        for (const other of others) assert.ok(found?.includes(other), `${JSON.stringify(garbage)} in entry ${index}`);
        assert.doesNotThrow(() => JSON.parse(found ?? "") as unknown);
      }
    }
  });

  it("takes nothing for an entry that stands inside a string", () => {
    const key = "ab".repeat(32);
    assert.equal(saved(Buffer.from(`{"a": "\\"${key}\\": {}", "b": `)), undefined);
    assert.equal(saved(Buffer.from(`{"a": {"\\"${key}": {}}, "b": `)), undefined);
    assert.equal(
      saved(Buffer.from(`x "${key}": {"n": "\\"${key}\\": {"} y`)),
      `{\n  "${key}": {"n": "\\"${key}\\": {"}\n}`,
    );
  });

  it("saves nothing that would make the file unreadable again", () => {
    const deep = (depth: number) => `{"${"ab".repeat(32)}": {"a": ${"[".repeat(depth)}${"]".repeat(depth)}}`;
    assert.equal(saved(Buffer.from(deep(498))), deep(498).replace("{", "{\n  ").concat("\n}"));
    assert.equal(saved(Buffer.from(deep(499))), undefined);
  });
});
