import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import * as fc from "fast-check";

import { isKnown, measureTree } from "../../../shared/caches/managed/measure.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { mountTmpfs, unmountAll } from "../../faults/mounts.ts";
import { fill, setAge } from "./managed-place.ts";

const options = { signal: new AbortController().signal, timeLimitSeconds: 30 };
const measure = async (path: string) => measureTree(path, options);

describe("the measure of a tree", () => {
  after(unmountAll);

  it("counts what du counts: regular files, one that has two names in the tree once, links not at all", async () => {
    const root = makePlace("measure");
    fill(root, "a/one", 1000);
    fill(root, "a/deep/two", 2_000_000);
    fill(root, "three", 0);
    linkSync(join(root, "a/one"), join(root, "a/again"));
    symlinkSync("/etc", join(root, "a/link"));
    symlinkSync("..", join(root, "a/deep/loop"));
    const outside = makePlace("outside");
    fill(outside, "big", 300);
    linkSync(join(outside, "big"), join(root, "shared"));
    const found = await measure(root);
    const { bytes, sharedBytes, files, directories } = found;
    assert.deepEqual([bytes, sharedBytes, files, directories], [2_001_300, 300, 7, 3]);
    const du = execFileSync("find", [root, "-type", "f", "-printf", "%i %s\n"], { encoding: "utf8" });
    const sizes = new Map(
      du
        .trim()
        .split("\n")
        .map((line) => line.split(" ") as [string, string]),
    );
    assert.equal(
      bytes,
      [...sizes.values()].reduce((sum, size) => sum + Number(size), 0),
    );
    assert.ok(isKnown(found));
  });

  it("gives the same digest as long as nothing changes, also elsewhere after a rename, and another for any change", async () => {
    const place = makePlace("measure");
    const root = join(place, "root");
    const file = fill(root, "a/one");
    fill(root, "b/two");
    symlinkSync("a", join(root, "link"));
    const { digest } = await measure(root);
    assert.equal((await measure(root)).digest, digest);
    readFileSync(file);
    assert.equal((await measure(root)).digest, digest);
    renameSync(root, join(place, "moved"));
    assert.equal((await measure(join(place, "moved"))).digest, digest);
    renameSync(join(place, "moved"), root);
    const { atime, mtime } = statSync(file);
    const changes: readonly (readonly [what: string, change: () => void])[] = [
      ["a longer file", () => writeFileSync(file, "x".repeat(1001))],
      ["another time", () => utimesSync(file, atime, new Date(Number(mtime) - 1))],
      ["another file in its place", () => (rmSync(file), fill(root, "a/one"))],
      ["a new file", () => fill(root, "a/new", 0)],
      ["an empty directory", () => mkdirSync(join(root, "a/empty"))],
      ["a link in place of a file", () => (rmSync(file), symlinkSync("new", file))],
      ["another name", () => renameSync(join(root, "b/two"), join(root, "b/too"))],
      ["a file moved to another directory", () => renameSync(join(root, "b/too"), join(root, "a/too"))],
      ["a removed file", () => rmSync(join(root, "a/too"))],
    ];
    let before = digest;
    for (const [what, change] of changes) {
      change();
      const now = (await measure(root)).digest;
      assert.notEqual(now, before, what);
      before = now;
    }
  });

  it("counts names that are no UTF-8, each with a digest of its own", async () => {
    const trees = ["\xff", "\xfe", "\u00ff"].map((name, index) => {
      const root = makePlace("bytes");
      const bytes = index < 2 ? Buffer.from(name, "latin1") : Buffer.from(name);
      const directory = Buffer.concat([Buffer.from(`${root}/d`), bytes]);
      mkdirSync(directory);
      writeFileSync(Buffer.concat([directory, Buffer.from("/f"), bytes]), "12345");
      return root;
    });
    const found = await Promise.all(trees.map(measure));
    for (const { bytes, files, directories, unreadable } of found) {
      assert.deepEqual([bytes, files, directories, unreadable], [5, 1, 2, []]);
    }
    assert.equal(new Set(found.map(({ digest }) => digest)).size, 3);
  });

  it("tells when a file was last written and read; lock files that are read, and directories, do not count as use", async () => {
    const root = makePlace("times");
    const [one, two, lock] = [fill(root, "one"), fill(root, "two"), fill(root, "film.mkv.lock")];
    utimesSync(one, 1_600_000_000, 1_500_000_000);
    utimesSync(two, 1_400_000_000, 1_550_000_000);
    utimesSync(lock, 1_700_000_000, 1_500_000_000);
    utimesSync(root, 1_710_000_000, 1_500_000_000);
    const { newestAtimeMs, newestMtimeMs } = await measure(root);
    assert.deepEqual([newestAtimeMs, newestMtimeMs], [1_600_000_000_000, 1_550_000_000_000]);
    const empty = makePlace("times");
    assert.equal((await measure(empty)).newestAtimeMs, -Infinity);
  });

  it("stays on its device, and says that there is another", async () => {
    const root = makePlace("device");
    fill(root, "a/one", 10);
    const mount = mountTmpfs("1m");
    fill(mount, "inside", 500);
    assert.ok(isKnown(await measure(mount)));
    const place = join(root, "mounted");
    mkdirSync(place);
    execFileSync("mount", ["--bind", mount, place]);
    try {
      const found = await measure(root);
      assert.deepEqual([found.bytes, found.hasForeignDevice, isKnown(found)], [10, true, false]);
    } finally {
      execFileSync("umount", [place]);
    }
    assert.ok(isKnown(await measure(root)));
  });

  it("reports what cannot be read, and is then not known", async () => {
    const root = makePlace("unreadable");
    fill(root, "open/one", 10);
    fill(root, "closed/two", 500);
    chmodSync(join(root, "closed"), 0);
    chmodSync(root, 0o755);
    const script = `import { measureTree, isKnown } from ${JSON.stringify(new URL("../../../shared/caches/managed/measure.ts", import.meta.url).href)};
      process.setuid(65534);
      const found = await measureTree(${JSON.stringify(root)}, { signal: new AbortController().signal, timeLimitSeconds: 30 });
      console.log(JSON.stringify([found.bytes, found.unreadable, isKnown(found)]));`;
    const answer = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script], {
      encoding: "utf8",
    });
    assert.deepEqual(JSON.parse(answer), [10, [{ path: join(root, "closed"), code: "EACCES" }], false]);
  });

  it("throws the system's error for what is not there, a file and a link", async () => {
    const root = makePlace("none");
    fill(root, "file");
    symlinkSync(root, join(root, "link"));
    await assert.rejects(measure(join(root, "nothing")), { code: "ENOENT" });
    await assert.rejects(measure(join(root, "file")), { code: "ENOTDIR" });
    await assert.rejects(measure(join(root, "link")), { code: "ENOTDIR" });
  });

  it("stops when it is told to", async () => {
    const root = makePlace("stop");
    for (let index = 0; index < 300; index += 1) fill(root, `d${index}/f`, 0);
    const stop = new AbortController();
    const measuring = measureTree(root, { ...options, signal: stop.signal });
    stop.abort();
    await assert.rejects(measuring, failsWith("interrupted"));
  });

  it("counts any tree as a plain walk does", async () => {
    const name = fc.string({
      minLength: 1,
      maxLength: 6,
      unit: fc.constantFrom("a", "b", ".", " ", "ß", "日", "\n", "\\"),
    });
    const isName = (word: string) => word !== "." && word !== "..";
    const tree = fc.uniqueArray(fc.tuple(fc.array(name.filter(isName), { minLength: 1, maxLength: 4 }), fc.nat(50)), {
      maxLength: 20,
      selector: ([parts]) => parts.join("/"),
    });
    await fc.assert(
      fc.asyncProperty(tree, async (wanted) => {
        const root = makePlace("any");
        let [bytes, files] = [0, 0];
        const directories = new Set([""]);
        const taken = new Set<string>();
        for (const [parts, size] of wanted) {
          const ways = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
          const file = ways.at(-1) ?? "";
          if (directories.has(file) || ways.slice(0, -1).some((way) => taken.has(way))) continue;
          for (const way of ways.slice(0, -1)) directories.add(way);
          taken.add(file);
          fill(root, file, size);
          [bytes, files] = [bytes + size, files + 1];
        }
        const found = await measure(root);
        assert.deepEqual([found.bytes, found.files, found.directories], [bytes, files, directories.size]);
        setAge(root, 1);
      }),
      { numRuns: 60 },
    );
  });
});
