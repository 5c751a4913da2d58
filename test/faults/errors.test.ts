import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { env } from "node:process";

import { cli, cliEnvironment } from "../support/cli.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { mountTmpfs, remountReadOnly, unmountAll } from "./mounts.ts";
import { leftoversIn, makeScene, planCleanup, treeWithoutTimes, type Scene } from "./scene.ts";
import { injectAt, recordPoints, startDriver, type Answer, type Point } from "./traced.ts";

/** How many points are hit for each error: all of them with CACHE_OPS_FAULT_ROUNDS=all. */
const ROUNDS = env["CACHE_OPS_FAULT_ROUNDS"] === "all" ? Infinity : Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 2);

const ERRORS = ["ENOSPC", "EIO", "EROFS", "EACCES", "EDQUOT"] as const;

/** A report as the tests need it. */
interface Reported {
  readonly status: string;
  readonly entries: number;
  readonly files: number;
  readonly notTried: number;
  readonly refused: readonly { readonly file: string; readonly code: string }[];
}

describe("an error of a write-side system call", function () {
  this.timeout(3_600_000);
  let scene: Scene;
  let points: Point[];
  /** What the plan changes: old and new. */
  let contents: Map<string, (string | undefined)[]>;

  before(async () => {
    scene = await makeScene();
    const old = contentsOf(scene.root);
    const recorder = await startDriver(scene.state);
    const isOurs = (line: string) =>
      line.includes(scene.root) || line.includes(scene.state) || line.includes(`"/proc/${recorder.pid}/fd/`);
    const recorded = await recordPoints(recorder, isOurs, () => recorder.run("apply", { plan: scene.plan }));
    assert.equal(recorded.answer?.outcome, "ok");
    points = recorded.points;
    const now = contentsOf(scene.root);
    const files = [...new Set([...old.keys(), ...now.keys()])].filter((file) => old.get(file) !== now.get(file));
    contents = new Map(files.map((file) => [file, [old.get(file), now.get(file)]]));
  });

  for (const [index, errno] of ERRORS.entries()) {
    it(`with ${errno} leaves every cache old or new, and what is reported as done is what was done`, async () => {
      const inLibrary = points.filter(({ shown }) => !shown.includes(scene.state));
      const chosen = [
        ...spread(inLibrary, ROUNDS, index),
        ...spread(
          points.filter((p) => !inLibrary.includes(p)),
          ROUNDS / 2,
          index,
        ),
      ];
      let next = startDriver(scene.state);
      let hits = 0;
      for (const point of chosen) {
        const driver = await next;
        next = startDriver(scene.state);
        scene.reset();
        const run = () => driver.run("apply", { plan: scene.plan });
        const { answer, hit } = await injectAt(driver, point, `error=${errno}`, run);
        if (hit) hits += 1;
        try {
          assertUntorn();
          if (hit) assertHonest(answer, point);
        } catch (error) {
          throw new Error(`${errno} at ${point.thread} ${point.shown}: ${String(error)}`, { cause: error });
        }
      }
      await (await next).stop();
      assert.ok(hits > chosen.length / 2, `${hits} of ${chosen.length} faults were injected`);
    });
  }

  function assertUntorn(): void {
    const found = contentsOf(scene.root);
    for (const [file, versions] of contents)
      assert.ok(versions.includes(found.get(file)), `${file} is neither old nor new`);
  }

  function assertHonest(answer: Answer, { shown }: Point): void {
    const found = contentsOf(scene.root);
    const changed = [...contents].filter(([file, [, now]]) => found.get(file) === now).map(([file]) => file);
    assert.notEqual(answer?.outcome, "internal");
    if (answer?.output === undefined) {
      assert.ok(["unavailable", "forbidden"].includes(answer?.outcome ?? "died"), answer?.outcome);
      return;
    }
    const report = answer.output as unknown as Reported;
    // Nothing is counted that was not done. What was done and could not be verified may be missing from the count.
    assert.ok(report.files <= changed.length, `${report.files} files reported, ${changed.length} changed`);
    const refused = report.refused.filter(({ file }) => contents.has(file));
    // What was changed before a later call failed is counted, and named with the reason.
    assert.equal(new Set([...changed, ...refused.map(({ file }) => file)]).size, contents.size);
    const twice = report.files + refused.length - contents.size;
    assert.ok(twice >= 0 && twice <= refused.filter(({ file }) => changed.includes(file)).length, String(twice));
    assert.equal(report.notTried, 0);
    if (report.refused.length > 0) {
      assert.ok(["partial", "refused"].includes(report.status), report.status);
      assert.ok(
        report.refused.every(({ code }) => ["unavailable", "forbidden", "stale_plan"].includes(code)),
        shown,
      );
    } else assert.equal(answer.outcome, "ok");
    if (!/unlink/.test(shown))
      assert.deepEqual(
        leftoversIn(scene.root).filter((name) => name.endsWith(".tmp")),
        [],
      );
  }
});

describe("a place that cannot be written", function () {
  this.timeout(300_000);
  after(unmountAll);

  it("because the disk is full refuses, leaves every byte, and works once there is space", async () => {
    const root = mountTmpfs("1m");
    const [first] = makeMovies(
      join(root, "a"),
      Array.from({ length: 60 }, (_, n) => `Film ${n}.mkv`),
    );
    unlinkSync(first ?? "");
    const state = makePlace("state");
    const plan = await planCleanup(state, [root]);
    fill(join(root, "ballast"));
    const before = treeWithoutTimes(root);
    const result = cli(["apply", plan, "--json"], cliEnvironment(state));
    const report = result.json<Reported>();
    assert.equal(report.status, "refused");
    assert.deepEqual(
      report.refused.map(({ code }) => code),
      ["unavailable"],
    );
    assert.deepEqual([report.files, report.entries], [0, 0]);
    assert.equal(result.code, 14);
    assert.deepEqual(treeWithoutTimes(root), before);
    unlinkSync(join(root, "ballast"));
    const again = cli(["cleanup", root, "--apply", "--yes", "--json"], cliEnvironment(state));
    assert.equal(again.code, 0, again.stderr);
  });

  it("because it is mounted read-only refuses as forbidden and leaves everything", async () => {
    const root = mountTmpfs("1m");
    const [first] = makeMovies(join(root, "a"), ["Gone.mkv", "Here.mkv"]);
    unlinkSync(first ?? "");
    const state = makePlace("state");
    const plan = await planCleanup(state, [root]);
    const before = treeState(root);
    remountReadOnly(root);
    const result = cli(["apply", plan, "--json"], cliEnvironment(state));
    const report = result.json<Reported>();
    assert.deepEqual([report.status, report.files, report.entries], ["refused", 0, 0]);
    assert.deepEqual(
      report.refused.map(({ code }) => code),
      ["forbidden"],
    );
    assert.equal(result.code, 16);
    assert.deepEqual(treeState(root), before);
  });

  it("for the journal is an unavailable store, and no cache is touched", async () => {
    const root = makePlace("library");
    const media = makeMovies(
      join(root, "a"),
      Array.from({ length: 400 }, (_, n) => `Film ${n}.mkv`),
    );
    for (const path of media.slice(0, 100)) unlinkSync(path);
    const state = mountTmpfs("1m");
    const plan = await planCleanup(state, [root]);
    fill(join(state, "ballast"));
    const before = treeState(root);
    const result = cli(["apply", plan, "--json"], cliEnvironment(state));
    assert.equal(result.code, 14, result.stdout + result.stderr);
    assert.match(result.stdout + result.stderr, /disk is full/);
    assert.deepEqual(treeState(root), before);
    unlinkSync(join(state, "ballast"));
    assert.equal(cli(["apply", plan, "--json"], cliEnvironment(state)).code, 0);
  });
});

describe("a user without rights", function () {
  this.timeout(300_000);
  const NOBODY = 65_534;

  it("is refused as forbidden, and nothing changes", async () => {
    const root = openPlace("library");
    const [first] = makeMovies(join(root, "a"), ["Gone.mkv", "Here.mkv"]);
    unlinkSync(first ?? "");
    const state = openPlace("state");
    const driver = await startDriver(state, NOBODY);
    const planned = await driver.run("cleanup", { paths: [root] });
    const before = treeState(root);
    const answer = await driver.run("apply", { plan: String(planned?.output?.["plan"]) });
    await driver.stop();
    assert.equal(answer?.outcome, "forbidden");
    const report = answer?.output as unknown as Reported;
    assert.deepEqual([report.status, report.files, report.entries], ["refused", 0, 0]);
    assert.deepEqual(treeState(root), before);
  });

  it("finds an unreadable cache and an unreadable directory unreachable, and removes nothing for it", async () => {
    const root = openPlace("library");
    const [gone] = makeMovies(join(root, "cache"), ["Gone.mkv", "Here.mkv"]);
    unlinkSync(gone ?? "");
    chmodSync(join(root, "cache", CACHE), 0o000);
    makeMovies(join(root, "directory"), ["Hidden.mkv"]);
    chmodSync(join(root, "directory"), 0o000);
    makeMovies(join(root, "media"), ["Linked.mkv", "Other.mkv"]);
    mkdirSync(join(root, "media", "below"), { mode: 0o700 });
    const state = openPlace("state");
    const driver = await startDriver(state, NOBODY);
    const checked = await driver.run("check", { paths: [root] });
    const planned = await driver.run("cleanup", { paths: [root] });
    await driver.stop();
    const { findings, errors } = (checked?.output ?? {}) as unknown as {
      findings: { cache: string; problem: string }[];
      errors: { path: string; code: string }[];
    };
    assert.deepEqual(
      findings.map(({ cache, problem }) => [cache, problem]),
      [[join(root, "cache", CACHE), "unreachable"]],
    );
    assert.deepEqual(
      errors.map(({ path, code }) => [path, code]),
      [
        [join(root, "cache", CACHE), "EACCES"],
        [join(root, "directory"), "EACCES"],
        [join(root, "media", "below"), "EACCES"],
      ],
    );
    assert.equal(planned?.output?.["status"], "empty");
  });

  function openPlace(name: string): string {
    const place = makePlace(name);
    if (name === "state") chownSync(place, NOBODY, NOBODY);
    chmodSync(place, 0o755);
    return place;
  }
});

/** Evenly spread points, different ones for each error. */
function spread(all: readonly Point[], most: number, shift: number): Point[] {
  if (all.length <= most) return [...all];
  const step = all.length / most;
  return Array.from({ length: most }, (_, n) => all[Math.floor(n * step + (shift * step) / ERRORS.length)]).filter(
    (point) => point !== undefined,
  );
}

function contentsOf(root: string): Map<string, string> {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.includes(CACHE));
  const files = names.filter((name) => !name.includes("cache-ops-lock")).map((name) => join(root, name));
  return new Map(files.map((file) => [file, readFileSync(file, "latin1")]));
}

/** Writes a file until nothing more fits. */
function fill(path: string): void {
  const { bfree, bsize } = statfsSync(join(path, ".."));
  writeFileSync(path, Buffer.alloc(bfree * bsize));
}
