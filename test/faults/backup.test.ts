import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";

import { contentOf } from "../../shared/file.ts";
import { readArchive } from "../../shared/archive/read.ts";
import { membersOf } from "../support/archive.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { mountTmpfs, unmountAll } from "./mounts.ts";
import { keepCopies, operate } from "./scene.ts";
import { injectAt, recordPoints, startDriver, type Point, spread } from "./traced.ts";

/** How many points are killed or failed at: all of them with CACHE_OPS_FAULT_ROUNDS=all. */
const ROUNDS = env["CACHE_OPS_FAULT_ROUNDS"] === "all" ? Infinity : Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 3);

const NAME = "before.tar.gz";

describe("a backup that goes wrong", function () {
  this.timeout(3_600_000);
  let root: string;
  let library: string[];
  let place: string;
  let points: Point[];
  let whole: number;

  before(async () => {
    root = copyLibrary();
    library = treeState(root);
    place = makePlace("archives");
    const state = makePlace("state");
    const recorder = await startDriver(state);
    const isOurs = (line: string) => line.includes(place) || line.includes(`"/proc/${recorder.pid}/fd/`);
    const recorded = await recordPoints(recorder, isOurs, () =>
      recorder.run("backup", { paths: [root], archive: join(place, NAME) }),
    );
    assert.equal(recorded.answer?.outcome, "ok");
    points = recorded.points;
    whole = (await membersOf(join(place, NAME))).length;
    rmSync(join(place, NAME));
  });

  after(unmountAll);
  afterEach(() => {
    for (const name of readdirSync(place)) rmSync(join(place, name));
    assert.deepEqual(treeState(root), library, "no cache was changed");
  });

  /** What stands under the final name, if anything does, is a whole archive. */
  async function assertNothingHalf(label: string): Promise<boolean> {
    const archive = join(place, NAME);
    if (!existsSync(archive)) return false;
    const { manifest } = await readArchive(archive, makeContext());
    assert.equal(manifest.files.length + 1, whole, label);
    return true;
  }

  it("by kill -9 at any write-side system call leaves the whole archive or none under its name", async () => {
    const chosen = spread(points, ROUNDS);
    let kills = 0;
    for (const point of chosen) {
      const driver = await startDriver(makePlace("state"));
      const { hit } = await injectAt(driver, point, "signal=KILL", () =>
        driver.run("backup", { paths: [root], archive: join(place, NAME) }),
      );
      if (hit) kills += 1;
      const stands = await assertNothingHalf(point.shown);
      if (stands) rmSync(join(place, NAME));
      await operate(makePlace("state"), "backup", { paths: [root], archive: join(place, NAME) });
      assert.ok(await assertNothingHalf(`again after ${point.shown}`));
      assert.deepEqual(readdirSync(place), [NAME], `again after ${point.shown}`);
      for (const name of readdirSync(place)) rmSync(join(place, name));
    }
    assert.ok(kills > chosen.length / 2, `${kills} of ${chosen.length} were killed`);
  });

  for (const errno of ["ENOSPC", "EIO", "EACCES"]) {
    it(`by ${errno} of any write-side system call is named, and leaves the whole archive or nothing`, async () => {
      let named = 0;
      for (const point of spread(points, Math.ceil(ROUNDS / 2))) {
        const driver = await startDriver(makePlace("state"));
        const { answer, hit } = await injectAt(driver, point, `error=${errno}`, () =>
          driver.run("backup", { paths: [root], archive: join(place, NAME) }),
        );
        const label = `${errno} at ${point.shown}`;
        const stands = await assertNothingHalf(label);
        if (hit && answer !== undefined && "error" in answer) named += 1;
        else assert.ok(stands || !hit, label);
        const left = readdirSync(place).filter((name) => name !== NAME);
        // Not where removing the temporary file is what failed, or where the error ended the whole process.
        if (!/unlink/.test(point.call) && answer !== undefined) assert.deepEqual(left, [], label);
        for (const name of readdirSync(place)) rmSync(join(place, name));
      }
      assert.ok(named > 0, "no error was ever hit");
    });
  }

  it("by a full disk says so, and leaves neither archive nor temporary file", async () => {
    const disk = mountTmpfs("64k");
    const films = makePlace("library");
    for (let index = 0; index < 30; index += 1) {
      makeMovies(join(films, `film ${index}`), ["A.mkv"]);
      const noise = contentOf(Buffer.from(String(index))).sha256;
      const lines = Array.from({ length: 80 }, (_, line) => contentOf(Buffer.from(noise + line)).sha256);
      writeFileSync(join(films, `film ${index}`, CACHE), JSON.stringify(lines));
    }
    await assert.rejects(
      operate(makePlace("state"), "backup", { paths: [films], archive: join(disk, NAME) }),
      failsWith("unavailable", /ENOSPC/),
    );
    assert.deepEqual(readdirSync(disk), []);
  });

  it("by a full disk keeps the earlier backup it was to replace", async () => {
    const disk = mountTmpfs("64k");
    const films = makePlace("library");
    makeMovies(join(films, "film"), ["A.mkv"]);
    const input = { paths: [films], archive: join(disk, NAME) };
    await operate(makePlace("state"), "backup", input);
    const earlier = readFileSync(join(disk, NAME));
    const lines = Array.from({ length: 4000 }, (_, line) => contentOf(Buffer.from(`${line}`)).sha256);
    writeFileSync(join(films, "film", CACHE), JSON.stringify(lines));
    await assert.rejects(
      operate(makePlace("state"), "backup", { ...input, overwrite: true }),
      failsWith("unavailable", /ENOSPC/),
    );
    assert.deepEqual(readFileSync(join(disk, NAME)), earlier);
    assert.deepEqual(readdirSync(disk), [NAME]);
  });

  it("names what its user may not read, and where it may not write", async () => {
    const films = makePlace("library");
    for (const name of ["a", "b", "c"]) makeMovies(join(films, name), [`${name}.mkv`]);
    chmodSync(join(films, "b", CACHE), 0o600);
    chmodSync(join(films, "c"), 0o700);
    chmodSync(films, 0o755);
    const [mine, theirs, state] = [makePlace("mine"), makePlace("theirs"), makePlace("state")];
    for (const directory of [mine, state]) chownSync(directory, USER, USER);
    chmodSync(theirs, 0o755);
    const driver = await startDriver(state, USER);
    const partial = await driver.run("backup", { paths: [films], archive: join(mine, NAME) });
    const refused = await driver.run("backup", { paths: [films], archive: join(theirs, NAME) });
    await driver.stop();
    assert.ok(partial !== undefined && "output" in partial, JSON.stringify(partial));
    assert.equal(partial.outcome, "partial");
    const { errors, files } = partial.output as { errors: { path: string; code: string }[]; files: number };
    assert.equal(files, 1);
    assert.deepEqual(
      errors.map(({ path, code }) => [path, code]),
      [
        [join(films, "b", CACHE), "EACCES"],
        [join(films, "c"), "EACCES"],
      ],
    );
    assert.match(JSON.stringify(refused), /forbidden.*EACCES/);
    assert.deepEqual(readdirSync(theirs), []);
  });

  it("is not what a restore by another user than root gives: it keeps the owner it may not give", async () => {
    const films = makePlace("library");
    makeMovies(join(films, "a"), ["a.mkv"]);
    chownSync(join(films, "a", CACHE), 0, 0);
    const archive = join(makePlace("mine"), NAME);
    await operate(makePlace("state"), "backup", { paths: [films], archive });
    const original = readFileSync(join(films, "a", CACHE));
    const state = makePlace("state");
    for (const path of [films, join(films, "a"), join(films, "a", CACHE), archive, join(archive, ".."), state])
      chownSync(path, USER, USER);
    writeFileSync(join(films, "a", CACHE), "damaged");
    const driver = await startDriver(state, USER);
    const planned = await driver.run("restore", { archive });
    assert.ok(planned !== undefined && "output" in planned, JSON.stringify(planned));
    const applied = await driver.run("apply", { plan: (planned.output as { plan: string }).plan });
    await driver.stop();
    assert.ok(applied !== undefined && "output" in applied, JSON.stringify(applied));
    assert.equal((applied.output as { status: string }).status, "complete");
    assert.deepEqual(readFileSync(join(films, "a", CACHE)), original);
  });
});

describe("kill -9 during the apply of a restore", function () {
  this.timeout(3_600_000);

  it("leaves every cache damaged or whole, and the same apply asked for again makes all whole", async () => {
    const root = makePlace("library");
    for (const name of ["a", "b", "c"]) makeMovies(join(root, name), [`${name}.mkv`]);
    chmodSync(join(root, "c", CACHE), 0o640);
    const caches = ["a", "b", "c"].map((name) => join(root, name, CACHE));
    const shownState = () => treeState(root).filter((line) => line.includes(CACHE) && !line.includes("-lock"));
    const original = shownState();
    const state = makePlace("state");
    await operate(state, "backup", { paths: [root], archive: NAME });
    writeFileSync(caches[0] ?? "", "damaged");
    rmSync(caches[1] ?? "");
    chmodSync(caches[2] ?? "", 0o600);
    const { plan, status } = await operate(state, "restore", { archive: NAME });
    assert.equal(status, "ready");
    const contents = new Map(caches.map((file) => [file, [existsSync(file) ? readFileSync(file, "utf8") : undefined]]));
    const reset = keepCopies([root, state]);
    const recorder = await startDriver(state);
    const isOurs = (line: string) =>
      line.includes(root) || line.includes(state) || line.includes(`"/proc/${recorder.pid}/fd/`);
    const { points } = await recordPoints(recorder, isOurs, () => recorder.run("apply", { plan }));
    assert.deepEqual(shownState(), original);
    for (const file of caches) contents.get(file)?.push(readFileSync(file, "utf8"));
    for (const point of spread(points, ROUNDS)) {
      reset();
      const driver = await startDriver(state);
      await injectAt(driver, point, "signal=KILL", () => driver.run("apply", { plan }));
      for (const [file, allowed] of contents) {
        assert.ok(allowed.includes(existsSync(file) ? readFileSync(file, "utf8") : undefined), point.shown);
      }
      await operate(state, "apply", { plan });
      assert.deepEqual(shownState(), original, point.shown);
    }
  });
});

/** Nobody in particular. */
const USER = 65_534;
