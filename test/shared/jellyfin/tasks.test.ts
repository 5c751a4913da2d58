import assert from "node:assert/strict";

import { performJellyfin } from "../../../shared/caches/jellyfin/clear.ts";
import { JellyfinStep } from "../../../shared/caches/jellyfin/clear-plan.ts";
import { CLEANUP_TASKS, readTasks, stopTask, type CleanupTask } from "../../../shared/caches/jellyfin/tasks.ts";
import { matches } from "../../../shared/validate.ts";
import { makeJellyfin, type Jellyfin, type JellyfinParts } from "../../support/jellyfin.ts";
import { failsWith } from "../../support/runs.ts";
import { clearOn, linkTo, planOn, statesOf } from "./scene.ts";

const keys = Object.keys(CLEANUP_TASKS) as readonly CleanupTask[];
const one = (key: CleanupTask) => ({ sections: [], tasks: [key] }) as const;

describe("a cleanup task of Jellyfin", () => {
  for (const key of keys) {
    it(`${key} is found by its key, called by its id, and done once its new result says so`, async () => {
      const jellyfin = makeJellyfin();
      const outcome = await clearOn(linkTo(jellyfin), one(key));
      assert.deepEqual([outcome.status, statesOf(outcome)], ["done", { task: "done" }]);
      const { id, runs } = jellyfin.tasks.of(key);
      assert.equal(runs, 1);
      assert.deepEqual(
        jellyfin.seen.filter(({ method }) => method !== "GET"),
        [{ method: "POST", path: `/ScheduledTasks/Running/${id}` }],
      );
    });
  }

  const endings: readonly (readonly [string, JellyfinParts, (jellyfin: Jellyfin) => void, string])[] = [
    ["ends as Failed", { taskEnds: "Failed" }, () => undefined, "failed"],
    ["ends as Cancelled", { taskEnds: "Cancelled" }, () => undefined, "failed"],
    ["ends as Aborted", { taskEnds: "Aborted" }, () => undefined, "failed"],
    ["gets 204 for nothing each time", { lostStarts: 99 }, () => undefined, "failed"],
    ["gets 204 for nothing once", { lostStarts: 1 }, () => undefined, "done"],
    [
      "is gone once it was asked for",
      {},
      ({ after, tasks }) => after(1_000, () => tasks.remove("CleanLogFiles")),
      "failed",
    ],
    [
      "is another one once it was asked for",
      {},
      ({ after, tasks }) => after(1_000, () => void Object.assign(tasks.of("CleanLogFiles"), { key: "Other" })),
      "failed",
    ],
    [
      "is stopped by somebody",
      {},
      ({ after, tasks }) => after(1_000, () => void (tasks.of("CleanLogFiles").state = "Cancelling")),
      "failed",
    ],
    ["is cut off by a restart and runs again", {}, ({ after, tasks }) => after(1_000, tasks.restart), "done"],
  ];
  for (const [what, parts, between, state] of endings) {
    it(`that ${what} is ${state}`, async () => {
      const jellyfin = makeJellyfin(parts);
      const outcome = await clearOn(linkTo(jellyfin), one("CleanLogFiles"), () => between(jellyfin));
      assert.deepEqual(statesOf(outcome), { task: state });
      assert.equal(outcome.status, state === "done" ? "done" : "partial");
    });
  }

  const refusals: readonly (readonly [string, (jellyfin: Jellyfin) => void, Parameters<typeof failsWith>])[] = [
    ["it runs by now", ({ tasks }) => tasks.run(tasks.of("OptimizeDatabaseTask")), ["locked", /running already/]],
    ["a library scan began", ({ tasks }) => tasks.run(tasks.of("RefreshLibrary")), ["locked", /library scan/]],
    ["it is gone", ({ tasks }) => tasks.remove("OptimizeDatabaseTask"), ["stale_plan", /not the same/]],
    [
      "its id stands for another",
      ({ tasks }) => Object.assign(tasks.of("OptimizeDatabaseTask"), { id: "0".repeat(32) }),
      ["stale_plan", /not the same/],
    ],
    [
      "it ran since the plan",
      ({ tasks, advance }) => {
        tasks.run(tasks.of("OptimizeDatabaseTask"));
        advance(5_000);
      },
      ["stale_plan", /ran since/],
    ],
  ];
  for (const [what, change, expected] of refusals) {
    it(`is not asked for when ${what}`, async () => {
      const jellyfin = makeJellyfin();
      const link = linkTo(jellyfin);
      const [step] = (await planOn(link, one("OptimizeDatabaseTask"))).steps;
      assert.ok(step);
      change(jellyfin);
      await assert.rejects(performJellyfin(step, link), failsWith(...expected));
      assert.deepEqual(
        jellyfin.seen.filter(({ method }) => method !== "GET"),
        [],
      );
    });
  }

  it("whose start is refused for want of rights is asked for once, and says why", async () => {
    const jellyfin = makeJellyfin();
    const outcome = await clearOn(linkTo(jellyfin), one("CleanLogFiles"), () =>
      jellyfin.fail(({ method }) => (method === "POST" ? "401" : undefined)),
    );
    assert.equal(outcome.status, "partial");
    assert.match(outcome.parts[0]?.observed ?? "", /does not know the API key/);
    assert.equal(jellyfin.seen.filter(({ method }) => method === "POST").length, 1);
  });

  it("that does not run can be stopped without trouble, though the server says 500; no other error is taken so", async () => {
    const jellyfin = makeJellyfin();
    const link = linkTo(jellyfin);
    const { id } = jellyfin.tasks.of("CleanLogFiles");
    await stopTask(link, id);
    assert.equal(jellyfin.tasks.answer("DELETE", id, true).status, 500);
    await assert.rejects(stopTask(link, "0".repeat(32)), failsWith("unavailable", /404/));
    jellyfin.fail(() => "502");
    await assert.rejects(stopTask(link, id), failsWith("unavailable", /502/));
  });

  it("the one that removes what people watched is no step, whoever writes it down", async () => {
    const [step] = (await planOn(linkTo(makeJellyfin()), one("CleanLogFiles"))).steps;
    assert.ok(matches(JellyfinStep, step));
    for (const key of ["CleanupUserDataTask", "RefreshLibrary", "RefreshPeople", "PluginUpdates"]) {
      assert.ok(!matches(JellyfinStep, { ...step, key }), key);
    }
  });

  it("two of one key make the server unavailable, not one of them chosen", async () => {
    const jellyfin = makeJellyfin();
    Object.assign(jellyfin.tasks.of("CleanLogFiles"), { key: "DeleteCacheFiles" });
    await assert.rejects(readTasks(linkTo(jellyfin)), failsWith("unavailable", /two tasks of one key/));
  });

  it("reads what is missing as null, and hundredths as a share", async () => {
    const jellyfin = makeJellyfin();
    jellyfin.tasks.of("CleanLogFiles").last = undefined;
    jellyfin.tasks.run(jellyfin.tasks.of("CleanActivityLog"));
    const { value } = await readTasks(linkTo(jellyfin));
    const found = (key: string) => value.find((task) => task.key === key);
    assert.deepEqual([found("CleanLogFiles")?.last, found("CleanLogFiles")?.progress], [null, null]);
    assert.deepEqual([found("CleanActivityLog")?.state, found("CleanActivityLog")?.progress], ["Running", 0.5]);
  });
});
