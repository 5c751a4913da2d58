import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

import { makePlace } from "../support/place.ts";
import { makeTree, SHAPES } from "./library-tree.ts";
import { median, ratioOf, runRounds, type Figures } from "./rounds.ts";
import type { Findings } from "./show.ts";

const BENCH = fileURLToPath(new URL("main.ts", import.meta.url));

describe("the benchmark of speed", () => {
  let trees: string;

  before(() => {
    trees = makePlace("trees");
  });

  const bench = (...words: readonly string[]) =>
    spawnSync(execPath, [BENCH, ...words, "--size", "tiny", "--rounds", "1", "--trees", trees], { encoding: "utf8" });

  it("measures everybody on the same tree, and prints ratios", () => {
    const file = join(trees, "figures.json");
    const { status, stdout, stderr } = bench("stale", "apply", "--json", file);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /\| plan +\| +[0-9.]+ \| +[0-9.]+–[0-9.]+ \| +[0-9.]+ \|/);
    assert.match(stdout, /\| Python ÷ apply +\| +≥ 3.5 \| +[0-9.]+ \| +(reached|missed) \|/);
    const { found } = JSON.parse(readFileSync(file, "utf8")) as { found: Record<"stale" | "apply", Findings> };
    assert.deepEqual(
      found.apply.contenders.map(({ name }) => name),
      ["Python", "apply", "plan and apply"],
    );
    for (const { name, seconds, toRuler, peakMegabytes } of [...found.stale.contenders, ...found.apply.contenders]) {
      assert.equal(seconds.length, 1);
      assert.ok(toRuler > 0);
      if (name === "plan" || name === "apply") assert.ok((peakMegabytes ?? 0) > 20);
    }
  });

  it("fails when a plan does not say what the generator knows", () => {
    const notes = join(trees, "tiny", "tree.json");
    const kept = readFileSync(notes, "utf8");
    const { truth, ...rest } = JSON.parse(kept) as { truth: { stale: number } };
    writeFileSync(notes, JSON.stringify({ ...rest, truth: { ...truth, stale: truth.stale + 1 } }));
    const { status, stderr } = bench("stale");
    writeFileSync(notes, kept);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`says (removed|entries) ${truth.stale}; the truth is ${truth.stale + 1}`));
  });

  it("refuses a word that is no benchmark, and says which there are", () => {
    const { status, stderr } = bench("speed");
    assert.equal(status, 1);
    assert.match(stderr, /no benchmark is called speed; there are plan, stale, /);
  });

  it("makes the same tree every time, and puts each form of its caches back", () => {
    const [one, other] = ["one", "other"].map((name) => {
      const home = join(trees, name);
      mkdirSync(home);
      return makeTree(home, SHAPES.tiny);
    });
    assert.ok(one && other);
    assert.deepEqual(one.truth, other.truth);
    assert.ok(one.truth.stale > 0.03 * one.truth.entries && one.truth.stale < 0.07 * one.truth.entries);
    assert.equal(one.countUnclean(), one.truth.dirtyCaches);
    one.reset("clean");
    assert.equal(one.countUnclean(), 0);
    one.reset("stale");
    assert.equal(one.countUnclean(), one.truth.dirtyCaches);
  });

  it("lets the contenders run in turn, and compares each round with itself", async () => {
    const order: string[] = [];
    const contender = (name: string, seconds: readonly number[]) => {
      const left = [0, ...seconds];
      return {
        name,
        prepare: () => void order.push(`(${name})`),
        run: (isMetered: boolean) => {
          order.push(name);
          const peakMegabytes = isMetered ? 50 : undefined;
          return Promise.resolve({ seconds: left.shift() ?? 0, cpuSeconds: 1, peakMegabytes });
        },
      };
    };
    const [a, b] = (await runRounds([contender("a", [1, 10, 2]), contender("b", [2, 40, 4])], 3)) as [Figures, Figures];
    assert.deepEqual(order.slice(0, 8), ["(a)", "a", "(b)", "b", "(a)", "a", "(b)", "b"]);
    assert.deepEqual(a, { name: "a", seconds: [1, 10, 2], cpuSeconds: [1, 1, 1], peakMegabytes: 50 });
    assert.equal(ratioOf(b, a), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });
});
