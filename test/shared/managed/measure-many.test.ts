import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, lstatSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { measureMany, type ManyOptions } from "../../../shared/caches/managed/measure-many.ts";
import type { TreeLook } from "../../../shared/caches/managed/measure-thread.ts";
import { mountTmpfs, unmountAll } from "../../faults/mounts.ts";
import { makeDice, type Dice } from "../../support/dice.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { fill } from "./managed-place.ts";

const options: ManyOptions = { signal: new AbortController().signal, timeLimitSeconds: 30 };

async function looks(paths: readonly string[], threadsAfterMs: number) {
  const found = new Map<string, TreeLook>();
  const device = String(lstatSync(paths[0] ?? "", { bigint: true }).dev);
  await measureMany(paths, device, { ...options, threadsAfterMs }, async (path, look) => {
    assert.ok(!found.has(path));
    found.set(path, look);
  });
  // The plain way also makes a digest, and meets what cannot be read in another order.
  return paths.map((path) => {
    const look = found.get(path);
    if (look === undefined || !("figures" in look)) return look;
    const { digest: _, unreadable, ...figures } = look.figures as typeof look.figures & { digest?: string };
    return { ...figures, unreadable: unreadable.toSorted((a, b) => (a.path < b.path ? -1 : 1)) };
  });
}

const NAMES = ["a", "ä", "日本", "x.lock", " ", "new\nline"].map((name) => Buffer.from(name));
const ODD = Buffer.from([0x66, 0xff, 0xfe]);

/** A tree of whatever may lie on a disk. */
function grow(directory: Buffer, dice: Dice, outside: string, depth: number): void {
  for (const name of [...NAMES, ODD]) {
    if (dice.below(3) === 0) continue;
    const path = Buffer.concat([directory, Buffer.from("/"), name]);
    const kind = dice.below(depth > 0 ? 8 : 6);
    if (kind > 5) {
      mkdirSync(path);
      grow(path, dice, outside, depth - 1);
      continue;
    }
    if (kind === 0) symlinkSync("/etc", path);
    else if (kind === 1) linkSync(join(outside, `shared${dice.below(3)}`), path);
    else {
      writeFileSync(path, "x".repeat(dice.below(5000)));
      if (kind === 2) truncateSync(path, 50_000_000_000);
      const times = [-3.25, 0, 1_700_000_000.999_999_8, 1_700_000_000.5, 2e9 + dice.below(1e6) / 1e6];
      const time = () => times[dice.below(times.length)] ?? 0;
      utimesSync(path, time(), time());
    }
  }
}

describe("many trees", () => {
  after(unmountAll);

  for (const seed of [1, 2, 3, 4]) {
    it(`are found by threads to hold exactly what the plain way finds (${seed})`, async () => {
      const [place, outside] = [makePlace("trees"), makePlace("outside")];
      const dice = makeDice(seed);
      for (let at = 0; at < 3; at += 1) fill(outside, `shared${at}`, 700 + at);
      const paths = Array.from({ length: 40 }, (_, at) => join(place, `tree ${at} ß`));
      for (const path of paths) {
        mkdirSync(path);
        grow(Buffer.from(path), dice, outside, 3);
      }
      paths.push(join(place, "gone"), fill(place, "file"), join(place, "link"));
      symlinkSync(paths[0] ?? "", join(place, "link"));
      const plain = await looks(paths, Infinity);
      assert.deepEqual(await looks(paths, 0), plain);
      assert.deepEqual(plain.slice(-3), [{ code: "ENOENT" }, { code: "ENOTDIR" }, { code: "ENOTDIR" }]);
      assert.ok(plain.some((look) => look !== undefined && "sharedBytes" in look && look.sharedBytes > 0));
    });
  }

  it("that another file system is mounted in, or over, are told so by both ways", async () => {
    const place = makePlace("trees");
    const paths = Array.from({ length: 12 }, (_, at) => join(place, `${at}`));
    for (const path of paths) fill(path, "one");
    const mount = mountTmpfs("1m");
    for (const target of [join(place, "3"), join(place, "4", "inner")]) {
      mkdirSync(target, { recursive: true });
      execFileSync("mount", ["--bind", mount, target]);
    }
    try {
      const plain = await looks(paths, Infinity);
      assert.deepEqual(await looks(paths, 0), plain);
      assert.deepEqual(plain[3], { isForeign: true });
      assert.ok(plain[4] !== undefined && "hasForeignDevice" in plain[4] && plain[4].hasForeignDevice);
    } finally {
      for (const target of [join(place, "3"), join(place, "4", "inner")]) execFileSync("umount", [target]);
    }
  });

  it("are measured no further once it is told to stop, by threads, too", async () => {
    const place = makePlace("trees");
    const paths = Array.from({ length: 200 }, (_, at) => join(place, `${at}`));
    for (const path of paths) fill(path, "one");
    const device = String(lstatSync(place, { bigint: true }).dev);
    const stop = new AbortController();
    let taken = 0;
    const work = measureMany(paths, device, { ...options, signal: stop.signal, threadsAfterMs: 0 }, async () => {
      taken += 1;
      stop.abort();
    });
    await assert.rejects(work, failsWith("interrupted"));
    assert.ok(taken < 200);
  });
});
