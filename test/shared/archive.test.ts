import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

import { CacheOpsError, invoke, type Context } from "../../shared/index.ts";
import { parseManifest } from "../../shared/archive/manifest.ts";
import { readArchive } from "../../shared/archive/read.ts";
import { backup } from "../../shared/operations/backup.ts";
import { restore } from "../../shared/operations/restore.ts";
import {
  bombs,
  ESCAPES,
  MANIFEST_CHANGES,
  NO_MANIFESTS,
  oddMembers,
  oddTypes,
  sample,
} from "../faults/corpora/archives.ts";
import { fileNamed, membersOf, withManifest, writeMembers, writePacked, type Member } from "../support/archive.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

describe("an archive that is not as we write them", function () {
  this.timeout(120_000);
  let root: string;
  let context: Context;
  let good: string;
  let members: Member[];
  let damaged: string[];
  let bad: string;

  before(async () => {
    root = copyLibrary();
    context = makeContext();
    good = join(makePlace(), "good.tar.gz");
    bad = join(makePlace(), "bad.tar.gz");
    await invoke(backup, { paths: [root], archive: good }, context);
    members = await membersOf(good);
    // Every cache differs, so that whatever passes would be planned.
    for (const { header } of members.slice(1)) writeFileSync(join(root, header.name.slice(2)), "damaged");
    damaged = treeState(root);
  });

  /** Refused as damaged: no plan is stored, no byte kept, nothing in the library touched. */
  async function isRefused(what: string, code: "corrupt" | "invalid_input" = "corrupt"): Promise<void> {
    await assert.rejects(
      invoke(restore, { archive: bad }, context),
      (error) => error instanceof CacheOpsError && error.code === code && error.hint !== undefined,
      what,
    );
    const state = context.state();
    for (const table of ["plans", "blobs", "plan_blobs"]) {
      assert.equal(state.get(`SELECT count(*) AS number FROM ${table}`)?.["number"], 0, `${what}: ${table}`);
    }
  }

  afterEach(() => assert.deepEqual(treeState(root), damaged));

  it("is refused when it is cut off anywhere", async () => {
    const bytes = readFileSync(good);
    for (let step = 0; step < 60; step += 1) {
      const length = Math.floor((bytes.length * step) / 60);
      writeFileSync(bad, bytes.subarray(0, length));
      await isRefused(`${length} bytes`);
    }
    for (let less = 1; less <= 12; less += 1) {
      writeFileSync(bad, bytes.subarray(0, -less));
      await isRefused(`${less} bytes less`);
    }
  });

  it("is refused when any byte is another, and when a region is", async () => {
    const bytes = readFileSync(good);
    const places = [...Array.from({ length: 24 }, (_, index) => index), ...sample(bytes.length, 300), bytes.length - 1];
    for (const place of places) {
      const altered = Buffer.from(bytes);
      altered.writeUInt8(altered.readUInt8(place) ^ (1 << (place % 8)), place);
      writeFileSync(bad, altered);
      await isRefused(`byte ${place}`);
    }
    for (const place of sample(bytes.length - 64, 40)) {
      const altered = Buffer.from(bytes);
      altered.fill(0, place, place + 64);
      writeFileSync(bad, altered);
      await isRefused(`64 bytes from ${place}`);
    }
  });

  it("is refused when something stands behind it", async () => {
    for (const tail of [Buffer.from([0]), Buffer.from("tail"), gzipSync("more"), readFileSync(good), gzipSync("")]) {
      copyFileSync(good, bad);
      appendFileSync(bad, tail);
      await isRefused(`${tail.length} bytes behind it`);
    }
  });

  it("is refused as anything else than an archive", async () => {
    const tar = gunzipSync(readFileSync(good));
    for (const bytes of [Buffer.alloc(0), Buffer.from("PK\u0003\u0004"), tar, gzipSync(tar), Buffer.alloc(4096)]) {
      writeFileSync(bad, bytes);
      await isRefused(`${bytes.length} bytes`);
    }
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(1024),
      Buffer.from("no tar".repeat(200)),
      tar.subarray(0, 700),
    ]) {
      writePacked(bad, bytes);
      await isRefused(`${bytes.length} packed bytes`);
    }
  });

  it("is refused when a member is missing, twice, one too many, or in another order", async () => {
    for (const [what, changed] of Object.entries(oddMembers(members))) {
      await writeMembers(bad, changed);
      await isRefused(what);
    }
  });

  it("is refused when a member is a link, a device or a directory", async () => {
    for (const [what, changed] of Object.entries(oddTypes(members))) {
      await writeMembers(bad, changed);
      await isRefused(what);
    }
  });

  it("is refused when a path leads anywhere but to a cache below its root", async () => {
    const outside = makePlace("outside");
    makeDirectory(outside, "sub");
    const untouched = treeState(outside);
    assert.ok(ESCAPES.length >= 100, `${ESCAPES.length} names`);
    for (const path of [...ESCAPES, `${outside}/${CACHE}`, `../${outside.split("/").pop()}/${CACHE}`]) {
      const { line, member } = fileNamed(path);
      // Right in itself in every other way: size, hash, member and line.
      await writeMembers(bad, [...withManifest(members, ({ files }) => void files.push({ ...line })), member]);
      await isRefused(JSON.stringify(path));
    }
    // The name in the archive alone leads elsewhere.
    for (const name of [`0/../../${CACHE}`, `/${CACHE}`, `../${CACHE}`]) {
      const [manifest, first, ...rest] = members as [Member, Member, ...Member[]];
      await writeMembers(bad, [manifest, { ...first, header: { name } }, ...rest]);
      await isRefused(name);
    }
    assert.deepEqual(treeState(outside), untouched);
  });

  it("is refused when its manifest is not one", async () => {
    for (const [what, change] of Object.entries(MANIFEST_CHANGES)) {
      await writeMembers(bad, withManifest(members, change));
      await isRefused(what);
    }
    for (const text of NO_MANIFESTS) {
      await writeMembers(bad, [{ header: { name: "manifest.json" }, bytes: Buffer.from(text) }, ...members.slice(1)]);
      await isRefused(text);
    }
    const notUtf8 = Buffer.concat([Buffer.from('{"files": [], "x": "'), Buffer.from([0xff]), Buffer.from('"}')]);
    await writeMembers(bad, [{ header: { name: "manifest.json" }, bytes: notUtf8 }, ...members.slice(1)]);
    await isRefused("not UTF-8");
  });

  it("is refused when it would unpack to far more than it is", async () => {
    const zeros = Buffer.alloc(100 * 1024 * 1024);
    for (const [what, changed] of Object.entries(bombs(members, zeros))) {
      await writeMembers(bad, changed);
      assert.ok(statSync(bad).size < 200_000);
      await isRefused(what);
    }
    writePacked(bad, Buffer.concat([gunzipSync(readFileSync(good)), zeros]));
    await isRefused("zeros behind the end");
  });

  it("is refused with one short message when its manifest lists a million mistakes", () => {
    const head = { format: "cache-ops-backup", version: 1, createdAt: "", roots: [] };
    const wrong = Buffer.from(
      JSON.stringify({ ...head, files: Array.from({ length: 250_000 }, () => ({ root: "x" })) }),
    );
    assert.throws(
      () => parseManifest(wrong),
      (error: Error) => failsWith("corrupt")(error) && error.message.length < 2000,
    );
    const many = Buffer.from(JSON.stringify({ ...head, files: Array(400_000).fill(0) }));
    assert.throws(() => parseManifest(many), failsWith("corrupt", /more than 300000/));
  });

  it("is refused when it is a link, a directory or not there", async () => {
    const place = makePlace();
    symlinkSync(good, join(place, "link"));
    for (const [archive, code] of [
      [join(place, "link"), "invalid_input"],
      [place, "invalid_input"],
      [join(place, "none"), "not_found"],
      ["none", "not_found"],
    ] as const) {
      await assert.rejects(invoke(restore, { archive }, context), failsWith(code), archive);
    }
  });

  it("is the only one: the same one unaltered is planned in full", async () => {
    const { manifest, sha256 } = await readArchive(good, context);
    assert.match(sha256, /^[0-9a-f]{64}$/);
    await writeMembers(bad, members);
    const plan = await invoke(restore, { archive: bad }, context);
    assert.equal(plan.entries, manifest.files.length);
  });
});
