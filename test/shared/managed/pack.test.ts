import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";

import { packTree, type Packed } from "../../../shared/caches/managed/pack.ts";
import { makeTreeWriter } from "../../../shared/caches/managed/tree-writer.ts";
import { seeTree } from "../../../shared/caches/managed/tree.ts";
import { readPack, type ExpectedPack } from "../../../shared/caches/managed/unpack.ts";
import { expectedOf, GOOD_PACK, hostilePack, HOSTILE_PACKS, OF, packOf } from "../../faults/corpora/packs.ts";
import { makeContext } from "../../support/context.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { treeState } from "../../support/tree.ts";

const context = makeContext();

async function packed(directory: string, onFirst: () => void = () => undefined): Promise<Packed & { bytes: Buffer }> {
  const chunks: Buffer[] = [];
  const seen = (await seeTree(directory, context))?.content.sha256 ?? "";
  const made = await packTree({ ...OF, directory, seen }, context, async (all) => {
    for await (const chunk of all) if (chunks.push(chunk) === 1) onFirst();
  });
  return { ...made, bytes: Buffer.concat(chunks) };
}

const unpack = (bytes: Buffer, expected: ExpectedPack, stage: string) =>
  readPack(Readable.from([bytes], { objectMode: false }), expected, context, makeTreeWriter(stage));

/** A directory with everything that a pack can hold. */
function makeTree(): string {
  const tree = join(makePlace("tree"), "films");
  mkdirSync(join(tree, "deep", "empty"), { recursive: true });
  writeFileSync(join(tree, "deep", "Ünï 映画 🎬 [x]*?.mkv"), "film");
  writeFileSync(join(tree, `${"long name ".repeat(20)}.nfo`), "");
  mkdirSync(join(tree, "deep", "d".repeat(200)));
  writeFileSync(join(tree, "deep", "d".repeat(200), "e".repeat(200)), Buffer.alloc(300_000, "ab"));
  writeFileSync(join(tree, "run.sh"), "#!/bin/sh\n");
  symlinkSync("../run.sh", join(tree, "deep", "link"));
  symlinkSync("/nowhere at all", join(tree, "dangling"));
  chmodSync(join(tree, "run.sh"), 0o4750);
  chmodSync(join(tree, "deep", "empty"), 0o2711);
  for (const [path, time] of [
    ["run.sh", "2001-02-03T04:05:06.123456789Z"],
    ["dangling", "2011-02-03T04:05:06.987654321Z"],
    ["deep/link", "1970-01-01T00:00:01.000000001Z"],
    ["deep/empty", "2021-02-03T04:05:06.5Z"],
    ["deep", "2022-02-03T04:05:06.000000999Z"],
    [".", "2023-02-03T04:05:06.111111111Z"],
  ] as const) {
    execFileSync("touch", ["-h", "-m", "-d", time, join(tree, path)]);
  }
  return tree;
}

describe("a pack", () => {
  it("holds a directory whole: unpacked it has the same names, bytes, links, modes, owners and times to the nanosecond", async () => {
    const tree = makeTree();
    const before = treeState(tree);
    const made = await packed(tree);
    assert.deepEqual(treeState(tree), before);
    const stage = join(makePlace("stage"), "new");
    await unpack(made.bytes, made, stage);
    assert.deepEqual(treeState(stage), before);
    assert.equal(made.tree.names, before.length);
    assert.equal(made.tree.bytes, 300_014);
    assert.equal(createHash("sha256").update(made.bytes).digest("hex"), made.content.sha256);
  });

  it("can be unpacked with tar, too, should we not be there any more", async () => {
    const tree = makeTree();
    const made = await packed(tree);
    const place = makePlace("tar");
    execFileSync("tar", ["-xz", "-C", place], { input: made.bytes });
    assert.deepEqual(readdirSync(place).toSorted(), ["manifest.json", "tree"]);
    assert.deepEqual(readFileSync(join(place, "tree/deep/Ünï 映画 🎬 [x]*?.mkv"), "utf8"), "film");
    const manifest = JSON.parse(readFileSync(join(place, "manifest.json"), "utf8")) as typeof OF & {
      entries: unknown[];
    };
    assert.equal(manifest.entries.length, made.tree.names);
    assert.deepEqual([manifest.cache, manifest.path], ["media", "films"]);
  });

  for (const [what, spoil, message] of [
    [
      "a name that is not UTF-8",
      (t: string) => writeFileSync(Buffer.from([...Buffer.from(`${t}/x`), 0xff]), ""),
      /UTF-8/,
    ],
    ["a link to a name that is not UTF-8", (t: string) => symlinkSync(Buffer.from([0x61, 0xff]), `${t}/odd`), /UTF-8/],
    ["a pipe", (t: string) => execFileSync("mkfifo", [`${t}/pipe`]), /pipe/],
  ] as const) {
    it(`is not made of a directory with ${what}, which is left alone`, async () => {
      const tree = makeTree();
      spoil(tree);
      const before = await seeTree(tree, context);
      await assert.rejects(packed(tree), failsWith("unavailable", message));
      assert.equal((await seeTree(tree, context))?.content.sha256, before?.content.sha256);
    });
  }

  for (const [what, disturb] of [
    ["a file is written to", (t: string) => writeFileSync(join(t, "z-last"), "other bytes")],
    ["a file shrinks", (t: string) => truncateSync(join(t, "z-last"), 10)],
    ["a file appears", (t: string) => writeFileSync(join(t, "new"), "")],
    ["a file goes", (t: string) => rmSync(join(t, "z-last"))],
    ["only a time changes", (t: string) => lutimesSync(join(t, "z-last"), 5, 5)],
  ] as const) {
    it(`is refused when ${what} while it is packed`, async () => {
      const tree = makeTree();
      writeFileSync(join(tree, "a-first"), Buffer.from(Array.from({ length: 2_000_000 }, (_, i) => (i * i) % 251)));
      writeFileSync(join(tree, "z-last"), Buffer.alloc(3_000_000));
      await assert.rejects(
        packed(tree, () => disturb(tree)),
        (error: Error) => {
          assert.match(error.message, /changed while it was packed|ENOENT/);
          return true;
        },
      );
    });
  }

  it("stops when it is told to", async () => {
    const tree = makeTree();
    const stop = new AbortController();
    const seen = (await seeTree(tree, context))?.content.sha256 ?? "";
    const packing = packTree({ ...OF, directory: tree, seen }, { ...context, signal: stop.signal }, async (all) => {
      for await (const _ of all) stop.abort();
    });
    await assert.rejects(packing, failsWith("interrupted"));
  });
});

describe("a hostile archive is refused, and nothing is written outside, although its checksum is the one expected:", () => {
  for (const what of Object.keys(HOSTILE_PACKS)) {
    it(what, async () => {
      const place = makePlace("hostile");
      const outside = join(place, "outside");
      mkdirSync(outside);
      const { bytes, expected } = await hostilePack(what, outside);
      await assert.rejects(unpack(bytes, expected, join(place, "stage")), failsWith("corrupt"));
      assert.deepEqual(readdirSync(outside), []);
      assert.deepEqual(
        readdirSync(place).filter((name) => name !== "stage"),
        ["outside"],
      );
      assert.equal(existsSync("/tmp/evil"), false);
    });
  }

  it("but one that is in order is taken, so these are refused for what is wrong with them", async () => {
    const { bytes, expected } = await packOf(GOOD_PACK, 2);
    const stage = join(makePlace("good"), "stage");
    chmodSync(join(stage, ".."), 0o755);
    await unpack(bytes, expected, stage);
    assert.equal(readFileSync(join(stage, "a"), "utf8"), "x");
  });

  it("a bomb, before it takes room", async () => {
    const bytes = gzipSync(Buffer.alloc(50_000_000));
    const stage = join(makePlace("bomb"), "stage");
    await assert.rejects(unpack(bytes, expectedOf(bytes, 2, 1000), stage), failsWith("corrupt"));
    assert.equal(existsSync(stage), false);
  });

  it("every truncation and every altered byte of a good one", async () => {
    const { bytes, expected } = await packOf(GOOD_PACK, 2);
    const place = makePlace("altered");
    for (let length = 0; length < bytes.length; length += 7) {
      const stage = join(place, `cut-${length}`);
      await assert.rejects(unpack(bytes.subarray(0, length), expected, stage), failsWith("corrupt"));
    }
    for (let at = 0; at < bytes.length; at += 5) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ 0x10;
      await assert.rejects(unpack(altered, expected, join(place, `bit-${at}`)), failsWith("corrupt"));
    }
    await assert.rejects(unpack(Buffer.concat([bytes, bytes]), expected, join(place, "more")), failsWith("corrupt"));
  });
});
