import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";

import { array, assert as check, constantFrom, property } from "fast-check";

import { isInside, openAnchor } from "../../shared/anchor.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { operate, planCleanup } from "./scene.ts";
import { workWhileSwapped } from "./swapping.ts";

const ROUNDS = (Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 10) || 100) * 100;

describe("a directory that is swapped for a link while it is worked in", function () {
  this.timeout(3_600_000);

  it("never leads a write or a removal outside of the library", async () => {
    const { flips, ...done } = await workWhileSwapped(Array.from({ length: ROUNDS }, (_, round) => round));
    assert.ok(flips > ROUNDS, `${flips} swaps`);
    assert.ok(done.inside > 0 && done.refused > 0, JSON.stringify(done));
  });

  it("between plan and apply makes apply refuse, and nothing changes on either side", async () => {
    const place = makePlace("swap");
    const library = makeDirectory(place, "library");
    for (const directory of [join(library, "films"), join(place, "victim")]) {
      const [gone] = makeMovies(directory, ["Gone.mkv", "Here.mkv"]);
      unlinkSync(gone ?? "");
    }
    makeMovies(join(library, "more"), ["Other.mkv"]);
    assert.deepEqual(readFileSync(join(library, "films", CACHE)), readFileSync(join(place, "victim", CACHE)));
    const state = makePlace("state");
    const plan = await planCleanup(state, [library]);
    renameSync(join(library, "films"), join(place, "moved"));
    symlinkSync(join(place, "victim"), join(library, "films"));
    const before = treeState(place);
    const report = await operate(state, "apply", { plan });
    assert.equal(report["status"], "refused");
    assert.equal(report["files"], 0);
    assert.deepEqual(treeState(place), before);
  });

  it("between apply and undo makes undo refuse, and nothing changes on either side", async () => {
    const place = makePlace("swap");
    const library = makeDirectory(place, "library");
    const [gone] = makeMovies(join(library, "films"), ["Gone.mkv", "Here.mkv"]);
    unlinkSync(gone ?? "");
    makeMovies(join(library, "more"), ["Other.mkv"]);
    const state = makePlace("state");
    const { run } = await operate(state, "apply", { plan: await planCleanup(state, [library]) });
    renameSync(join(library, "films"), join(place, "victim"));
    symlinkSync(join(place, "victim"), join(library, "films"));
    const before = treeState(place);
    const report = await operate(state, "undo", { run });
    assert.equal(report["status"], "refused");
    assert.deepEqual(treeState(place), before);
  });
});

describe("isInside", () => {
  it("compares by component, not by text", () => {
    for (const [root, path] of [
      ["/media", "/media"],
      ["/media", "/media/films"],
      ["/media", "/media/..films"],
      ["/", "/media"],
    ] as const) {
      assert.ok(isInside(root, path), `${path} in ${root}`);
    }
    for (const [root, path] of [
      ["/media", "/media2"],
      ["/media", "/media2/films"],
      ["/media/films", "/media"],
      ["/media/films", "/media/film"],
      ["/media", "/"],
      ["/media", "/other/media"],
    ] as const) {
      assert.ok(!isInside(root, path), `${path} in ${root}`);
    }
  });

  it("is the same as: the components of the root are the first components of the path", () => {
    const path = array(constantFrom("a", "ab", "..a", "b", "a b"), { maxLength: 4 });
    check(
      property(path, path, (root, below) => {
        const expected = root.every((component, index) => below[index] === component);
        assert.equal(isInside(`/${root.join("/")}`, `/${below.join("/")}`), expected);
      }),
    );
  });

  it("guards the door: a directory that leads out of the library is forbidden to work in", async () => {
    const place = makePlace("roots");
    for (const name of ["media", "media2"]) mkdirSync(join(place, name));
    await assert.rejects(openAnchor(join(place, "media2"), [join(place, "media")]), { code: "forbidden" });
    await (await openAnchor(join(place, "media"), [join(place, "media")])).close();
  });
});
