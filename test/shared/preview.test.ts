import { deepEqual, equal, rejects } from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { applyPlan } from "../../shared/apply.ts";
import { makePlan } from "../../shared/planner.ts";
import { previewFile } from "../../shared/preview.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { STALE } from "../../shared/finding.ts";

describe("a preview", () => {
  const plan = async (root: string) => {
    const context = makeContext();
    const selection = {
      problems: STALE,
      olderThanSeconds: undefined,
      include: [],
      exclude: [],
      maxEntries: undefined,
      minAgeSeconds: 0,
      allow: [],
    };
    const made = await makePlan({ operation: "cleanup", paths: [root], migrate: false, selection }, context);
    return { ...made, context };
  };

  it("shows the bytes that applying then writes, and writes nothing itself", async () => {
    const root = makePlace();
    const [first] = makeMovies(root, ["a.mkv", "b.mkv", "c.mkv"]);
    rmSync(first ?? "");
    const cache = join(root, CACHE);
    const before = readFileSync(cache);
    const { plan: made, context } = await plan(root);
    const untouched = treeState(root);
    const preview = await previewFile(made, cache, context);
    deepEqual(treeState(root), untouched);
    deepEqual(preview.before, before);
    equal((await applyPlan(made.id, undefined, context)).status, "complete");
    deepEqual(readFileSync(cache), preview.after);
  });

  it("says so when the file was changed since, and when the plan does not change the file", async () => {
    const root = makePlace();
    const [first] = makeMovies(root, ["a.mkv", "b.mkv"]);
    rmSync(first ?? "");
    const { plan: made, context } = await plan(root);
    await rejects(previewFile(made, join(root, "b.mkv"), context), { code: "not_found" });
    writeFileSync(join(root, CACHE), "{}");
    await rejects(previewFile(made, join(root, CACHE), context), { code: "stale_plan" });
  });
});
