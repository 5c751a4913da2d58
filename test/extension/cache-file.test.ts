import assert from "node:assert/strict";
import { readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";

import { factsOf, timesOf } from "../../extension/cache-file/facts.ts";
import { characterAt, endOfKey, textToInspect } from "../../extension/cache-file/text.ts";
import { inspectCache } from "../../shared/index.ts";
import { makeContext } from "../support/context.ts";
import { entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";

describe("help in cache files", () => {
  describe("the text that is judged", () => {
    it("is the buffer's", () => {
      assert.equal(textToInspect("{}", { encoding: "utf8", isDirty: false }), "{}");
      assert.equal(textToInspect("{}", { encoding: "utf8", isDirty: true }), "{}");
    });

    it("has the byte order mark that the editor cut off", () => {
      assert.equal(textToInspect("{}", { encoding: "utf8bom", isDirty: true }), "\u{feff}{}");
    });

    it("is the file's where the editor shows other characters than are in it, until these would be saved", () => {
      assert.equal(textToInspect('{"\u{fffd}"', { encoding: "utf8", isDirty: false }), undefined);
      assert.equal(textToInspect('{"\u{fffd}"', { encoding: "utf8", isDirty: true }), '{"\u{fffd}"');
      assert.equal(textToInspect("{}", { encoding: "utf16le", isDirty: false }), undefined);
    });
  });

  it("finds the character of a byte", () => {
    assert.equal(characterAt("aü日🎬b", 0), 0);
    assert.equal(characterAt("aü日🎬b", 10), 5);
    assert.equal(characterAt("a", 5), 1);
  });

  it("marks the key of an entry, with escapes, and never more than a line", () => {
    const text = '{\n  "ab\\"c": {},\n  "open\n';
    assert.equal(endOfKey(text, 4, 14), 11);
    assert.equal(endOfKey(text, 19, 25), 20);
  });

  describe("the facts of an entry", () => {
    const facts = (fields: Parameters<typeof factsOf>[0]["fields"]) => factsOf({ fields });

    it("are what a person wants to know of the media", () => {
      const fields = {
        codec_video: "hevc",
        codec_audio: "eac3",
        resolution: "3840x2160",
        is_hdr: true,
        hdr_type: "HDR10",
        bit_depth: 10,
        duration: 6130.2,
        file_size: 4_234_000_000,
      };
      assert.deepEqual(facts(fields), ["hevc / eac3", "3840x2160", "HDR10", "10 bit", "1 h 42 min", "4.2 GB"]);
    });

    it("leave out what is not known, or is not what mediabox writes", () => {
      assert.deepEqual(facts({ codec_video: null, duration: 0, bit_depth: 8, file_size: Number.NaN }), [
        "not probed yet",
      ]);
      assert.deepEqual(facts({ codec_video: 7, duration: "N/A", bit_depth: "x", file_size: -1 }), ["not probed yet"]);
    });

    it("are on one line and short, whatever the file says", () => {
      const [codec = ""] = facts({ codec_video: `h\n\u{202e}${"x".repeat(1000)}` });
      assert.match(codec, /^h\\n\\u\{202e\}x+…$/);
      assert.ok(codec.length <= 80);
    });

    it("say when it was probed and converted, in the file's own clock", () => {
      const fields = { last_scanned: "2024-01-15T10:20:30.123456", last_processed: "2024-02-01T08:00:00" };
      assert.deepEqual(timesOf({ fields }), ["probed 2024-01-15 10:20", "converted 2024-02-01 08:00"]);
      assert.deepEqual(timesOf({ fields: { ...fields, processing_error: "no space" } }), [
        "probed 2024-01-15 10:20",
        "conversion failed 2024-02-01 08:00",
        "no space",
      ]);
      assert.deepEqual(timesOf({ fields: { last_scanned: "yesterday" } }), []);
    });
  });

  describe("the look into a cache", () => {
    it("finds entries by their place in the text, also behind characters of several bytes", async () => {
      const directory = makePlace("inspect");
      const odd = writeMedia(directory, "a.mkv");
      const other = writeMedia(directory, "b.mkv");
      const first = entryFor(odd).replace("h264", "ü日🎬");
      const cache = writeCache(directory, [first, entryFor(other)]);
      const text = readFileSync(cache, "utf8");
      const { entries } = await inspectCache(cache, undefined, makeContext());
      assert.equal(entries.length, 2);
      for (const { key, start, end } of entries) {
        assert.ok(text.slice(start).startsWith(`"${key}"`));
        assert.equal(text[end - 1], "}");
        assert.equal(text.slice(start, endOfKey(text, start, end)), `"${key}"`);
      }
      assert.deepEqual(
        entries.map(({ name, problem }) => [name, problem]),
        [
          ["a.mkv", null],
          ["b.mkv", null],
        ],
      );
    });

    it("judges the text of a buffer, not the file", async () => {
      const directory = makePlace("inspect");
      const [gone = "", kept = ""] = makeMovies(directory, ["gone.mkv", "kept.mkv"]);
      const entry = entryFor(kept);
      unlinkSync(gone);
      const cache = join(directory, ".mediabox_cache.json");
      const onDisk = await inspectCache(cache, undefined, makeContext());
      assert.deepEqual(
        onDisk.entries.map(({ problem }) => problem),
        ["orphaned", null],
      );
      const inBuffer = await inspectCache(cache, `{ ${entry} }`, makeContext());
      assert.deepEqual(
        inBuffer.entries.map(({ problem }) => problem),
        [null],
      );
      const broken = await inspectCache(cache, `{ ${entry}`, makeContext());
      assert.equal(broken.damage?.rule, "invalid_json");
    });
  });
});
