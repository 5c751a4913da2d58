import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import fc from "fast-check";

import { readProbeEntry, readScanEntry, type EntryReading } from "../../shared/caches/probe/media-audit/entry.ts";
import { joinSegments, probeKey } from "../../shared/caches/probe/media-audit/python-path.ts";
import { isProbeData } from "../../shared/ffprobe.ts";
import { copyMediaAuditCache, makeMediaAuditCache, pickleEntries } from "../support/media-audit.ts";
import {
  entryPickle,
  join as bytes,
  maliciousPickles,
  oddPickles,
  PATH,
  stackGlobal,
  text,
} from "../support/pickles.ts";
import { makePlace } from "../support/place.ts";

function realPickles(which: "current" | "older" = "current"): { readonly name: string; readonly bytes: Buffer }[] {
  const folder = join(copyMediaAuditCache(which), "probe");
  return readdirSync(folder).map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

function entryOf(reading: EntryReading) {
  assert.ok("entry" in reading, JSON.stringify(reading));
  return reading.entry;
}

describe("a pickle of media-audit", () => {
  it("is read, whichever version of Python and of the program wrote it", () => {
    const all = [...realPickles(), ...realPickles("older")];
    assert.equal(all.length, 30);
    for (const { name, bytes } of all) {
      const entry = entryOf(readProbeEntry(bytes));
      assert.equal(`${entry.key}.pkl`, name);
      assert.equal(`${probeKey(entry.filePath)}.pkl`, name);
      assert.ok(entry.filePath.startsWith("/srv/media/library/"));
      assert.ok(isProbeData(entry.data));
    }
  });

  it("holds the same values that Python reads from it", () => {
    const cache = copyMediaAuditCache();
    const folder = join(cache, "probe");
    const expected = JSON.parse(execFileSync("python3", ["-c", UNPICKLER, folder], { encoding: "utf8" })) as Record<
      string,
      Record<string, unknown>
    >;
    for (const name of readdirSync(folder)) {
      const { data, filePath, fileSize, fileMtime, cacheTime, schemaVersion, key } = entryOf(
        readProbeEntry(readFileSync(join(folder, name))),
      );
      assert.deepEqual(
        {
          key,
          data,
          file_path: filePath,
          file_size: fileSize,
          file_mtime: fileMtime,
          cache_time: cacheTime,
          schema_version: schemaVersion,
        },
        expected[name],
      );
    }
  });

  it("of Python here is read in protocols 4 and 5, with and without a schema version, and with data of any size", () => {
    const cache = makeMediaAuditCache();
    const streams = Array.from({ length: 3000 }, (_, index) => ({
      index,
      title: "Ünï 🎬 ".repeat(9),
      id: 2 ** 40 + index,
    }));
    const data = {
      streams,
      format: { big: 2 ** 53 - 1, less: -(2 ** 31) - 1, yes: true, no: false, none: null, x: [] },
    };
    for (const protocol of [4, 5] as const) {
      const [file = ""] = pickleEntries(cache, [{ filePath: `/films/${protocol}.mkv`, data, protocol, schema: null }]);
      const entry = entryOf(readProbeEntry(readFileSync(file)));
      assert.deepEqual(entry.data, data);
      assert.equal(entry.schemaVersion, undefined);
    }
  });

  it("that has odd names as keys gives these, and no prototype", () => {
    const data = bytes("}", text("__proto__"), bytes("}", text("polluted"), 0x88, "s"), "s");
    const { data: read } = entryOf(readProbeEntry(entryPickle({ data })));
    assert.deepEqual(Object.keys(read as object), ["__proto__"]);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });

  it("has its path joined as pathlib does", () => {
    const cases = [
      [["/", "tmp", "a b.mkv"], "/tmp/a b.mkv"],
      [["/films//x/./y/"], "/films/x/y"],
      [["films/../x.mkv"], "films/../x.mkv"],
      [["a", "/b", "c"], "/b/c"],
      [["//a/b"], "//a/b"],
      [["///a/b"], "/a/b"],
      [["."], "."],
    ] as const;
    const expected = JSON.parse(
      execFileSync("python3", ["-c", JOINER], {
        input: JSON.stringify(cases.map(([parts]) => parts)),
        encoding: "utf8",
      }),
    ) as { posix: string[] };
    assert.deepEqual(
      expected.posix,
      cases.map(([, path]) => path),
    );
    for (const [parts, path] of cases) assert.equal(joinSegments("posix", parts), path);
    const windows = [
      ["C:\\", "films", "a.mkv"],
      ["C:/films//x/./a.mkv"],
      ["films", "..", "a.mkv"],
      ["\\\\nas\\share\\", "a.mkv"],
    ];
    const joined = JSON.parse(
      execFileSync("python3", ["-c", JOINER], { input: JSON.stringify(windows), encoding: "utf8" }),
    ) as { windows: string[] };
    assert.deepEqual(
      windows.map((parts) => joinSegments("windows", parts)),
      joined.windows,
    );
  });

  it("of Windows is read, with its path in that style", () => {
    const filePath = bytes(stackGlobal("pathlib", "WindowsPath"), text("D:\\Movies\\a.mkv"), 0x85, "R");
    const entry = entryOf(readProbeEntry(entryPickle({ filePath })));
    assert.deepEqual([entry.style, entry.filePath], ["windows", "D:\\Movies\\a.mkv"]);
  });

  it("that would call anything is refused, and nothing is called", () => {
    const canary = join(makePlace("canary"), "CANARY");
    const corpus = maliciousPickles(`touch ${canary}`);
    assert.ok(corpus.length >= 200, String(corpus.length));
    for (const [name, pickle] of corpus) {
      const reading = readProbeEntry(pickle);
      assert.ok("refused" in reading, `${name}: ${JSON.stringify(reading).slice(0, 200)}`);
      assert.match(String(reading.refused.observed), /at byte \d+$/, name);
    }
    assert.equal(existsSync(canary), false);
    // The corpus is what it claims to be: Python runs it.
    const [, harmful] = corpus.find(([name]) => name === "STACK_GLOBAL, REDUCE os.system") ?? [];
    execFileSync("python3", ["-c", "import pickle, sys; pickle.load(sys.stdin.buffer)"], { input: harmful });
    assert.equal(existsSync(canary), true);
  });

  it("names what was refused", () => {
    const [, pickle = Buffer.alloc(0)] = maliciousPickles("x").find(([name]) => name === "in data posix.system") ?? [];
    const reading = readProbeEntry(pickle);
    assert.ok("refused" in reading);
    assert.match(String(reading.refused.observed), /^STACK_GLOBAL: posix system at byte \d+$/);
    const [, old = Buffer.alloc(0)] = maliciousPickles("x").find(([name]) => name === "INST os.system") ?? [];
    assert.deepEqual(readProbeEntry(old), { refused: { rule: "pickle_refused", observed: "MARK at byte 0" } });
  });

  it("that is odd in any way is refused or torn, without wearing anybody out", () => {
    for (const [name, pickle] of oddPickles()) assert.ok(!("entry" in readProbeEntry(pickle)), name);
    assert.ok("entry" in readProbeEntry(entryPickle()), "the pickle they are all made from is in order");
    assert.ok("entry" in readProbeEntry(entryPickle({ filePath: PATH("relative/a.mkv") })));
  });

  it("that ends too early is torn at every length", () => {
    for (const { name, bytes } of realPickles().slice(0, 4)) {
      for (let length = 0; length < bytes.length; length += 1) {
        assert.ok("corrupt" in readProbeEntry(bytes.subarray(0, length)), `${name} cut to ${length}`);
      }
      assert.ok("refused" in readProbeEntry(Buffer.concat([bytes, Buffer.from([0])])), `${name} with a byte more`);
    }
  });

  it("is never anything but read, torn or refused, whatever bytes are changed, cut, doubled or made up", () => {
    const real = realPickles().map(({ bytes }) => bytes);
    const edit = fc.record({ at: fc.nat(4000), byte: fc.nat(255), kind: fc.constantFrom("set", "insert", "delete") });
    const check = (mangled: Buffer) => {
      const reading = readProbeEntry(mangled);
      const [outcome] = Object.keys(reading);
      assert.ok(outcome === "entry" || outcome === "corrupt" || outcome === "refused");
      if ("entry" in reading) JSON.stringify(reading.entry);
    };
    fc.assert(
      fc.property(fc.constantFrom(...real), fc.array(edit, { minLength: 1, maxLength: 6 }), (bytes, edits) => {
        let mangled = Buffer.from(bytes);
        for (const { at, byte, kind } of edits) {
          const place = at % (mangled.length + 1);
          const middle = kind === "delete" ? [] : [byte];
          const rest = mangled.subarray(kind === "insert" ? place : place + 1);
          mangled = Buffer.concat([mangled.subarray(0, place), Buffer.from(middle), rest]);
        }
        check(mangled);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        check(Buffer.from(noise));
        check(Buffer.concat([Buffer.from([0x80, 4]), noise]));
      }),
      { numRuns: 3000 },
    );
  });
});

describe("a directory entry of media-audit", () => {
  it("is read, and its path found again in its key", () => {
    const folder = join(copyMediaAuditCache(), "scan");
    const names = readdirSync(folder);
    assert.equal(names.length, 7);
    for (const name of names) {
      const entry = entryOf(readScanEntry(readFileSync(join(folder, name))));
      assert.equal(entry.key, basename(name, ".json"));
      assert.ok(entry.filePath.startsWith("/srv/media/library/"));
      assert.equal(entry.schemaVersion, "ab1e5209");
    }
  });

  it("with NaN in its data is read as Python reads it; one that is torn, empty, or has a field too many is corrupt", () => {
    const entry = { key: "k", data: { x: 1 }, file_path: "/a", file_size: 0, file_mtime: 1.5, cache_time: 2.5 };
    const json = JSON.stringify(entry);
    assert.ok("entry" in readScanEntry(Buffer.from(json.replace('"x":1', '"x":NaN'))));
    const rules = [
      "",
      json.slice(0, -9),
      `${json.slice(0, -1)},"more":1}`,
      json.replace(/"file_path":"\/a",/, ""),
      "[]",
    ].map((text) => {
      const reading = readScanEntry(Buffer.from(text));
      return "corrupt" in reading ? reading.corrupt.rule : "read";
    });
    assert.deepEqual(rules, ["empty_file", "invalid_json", "unknown_field", "field_missing", "not_an_object"]);
  });
});

const UNPICKLER = `
import json, os, pathlib, pickle, sys
class Entry: pass
class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        return Entry if name == "CacheEntry" else pathlib.PurePosixPath
out = {}
for name in os.listdir(sys.argv[1]):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        state = Reader(file).load().__dict__
    state["file_path"] = str(state["file_path"])
    out[name] = state
print(json.dumps(out))
`;

const JOINER = `
import json, pathlib, sys
cases = json.load(sys.stdin)
print(json.dumps({
    "posix": [str(pathlib.PurePosixPath(*case)) for case in cases],
    "windows": [str(pathlib.PureWindowsPath(*case)) for case in cases],
}))
`;
