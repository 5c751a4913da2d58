import { deepEqual, equal, match, ok } from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { fill } from "../shared/managed/managed-place.ts";
import { packagedExtension } from "./packaged.ts";
import { Workbench } from "./workbench.ts";

/* Managed caches and schedules in a real workbench: section, plans with review, undo, pins, the dashboard. */

const DAY = 86_400;

describe("managed caches in a real workbench", () => {
  let downloads: string;
  let scratch: string;
  let state: string;
  let workbench: Workbench;

  before(async function () {
    this.timeout(180_000);
    [downloads, scratch, state] = [makePlace("downloads"), makePlace("scratch"), makePlace("state")];
    fill(downloads, "Old Film/film.mkv", 3000, 9 * DAY);
    fill(downloads, "Series/one.mkv", 2600, 5 * DAY);
    fill(downloads, "Music/song.flac", 2000, 3 * DAY);
    fill(downloads, "New Film/film.mkv", 2000, 2 * DAY);
    fill(scratch, "job 1/frame.png", 1000, 3 * DAY);
    fill(scratch, "job 2/frame.png", 1000, 2 * DAY);
    workbench = await Workbench.open({
      folder: downloads,
      vsix: packagedExtension(),
      machineSettings: {
        "cacheOps.stateDirectory": state,
        "cacheOps.managed": [
          { name: "downloads", root: downloads, maxBytes: 10_000 },
          { name: "scratch", root: scratch, quarantine: "0s", ttl: "30d" },
        ],
        "cacheOps.schedules": [{ name: "nightly", cron: "30 3 * * *", operation: "evict" }],
      },
    });
    await workbench.openView("Cache Ops");
    await workbench.step("see the tree", () => row("downloads").waitFor({ timeout: 30_000 }));
    // VS Code draws a new tree twice; a click in between is lost.
    await workbench.page.waitForTimeout(1000);
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  /** As a person does: takes a menu once the list stands still. */
  const menu = async (label: string, entry: string) => {
    await workbench.page.waitForTimeout(1000);
    await workbench.rowMenu(label, entry, "Caches");
  };
  const row = (label: string | RegExp, view = "Caches") => workbench.row(label, view);
  const see = (label: string | RegExp, text: RegExp, view = "Caches") =>
    workbench.step(`see ${text}`, () => row(label, view).filter({ hasText: text }).waitFor({ timeout: 20_000 }));
  const labels = () => workbench.view("Caches").locator("[role=treeitem] .label-name").allInnerTexts();
  const message = () => workbench.view("Review").locator(".message");
  const seeReview = (text: RegExp) =>
    workbench.step("see the review", () => message().filter({ hasText: text }).waitFor({ timeout: 30_000 }));
  const directories = () => readdirSync(downloads).filter((name) => !name.startsWith("."));

  it("have a closed section each, and cost nothing until it is opened", async () => {
    deepEqual(await labels(), ["downloads", "scratch"]);
    for (const label of await labels()) equal(await row(label).getAttribute("aria-expanded"), "false");
    await see("downloads", /^\s*downloads\s*$/);
    deepEqual(
      readdirSync(state).filter((name) => name.startsWith("managed") || name.startsWith("usage")),
      [],
    );
  });

  it("show how full they are, and which directories would go, the longest unused first", async function () {
    this.timeout(60_000);
    await workbench.expand("downloads", "Caches");
    await row("No directory is registered. Reconcile finds them.").waitFor();
    await menu("downloads", "Reconcile");
    await workbench.toast(/downloads holds 4 directories/);
    await see("downloads", /9\.6 of 10 kB \(96 %\)/);
    await see("Old Film", /over the quota · 3\.0 kB · 9d ago/);
    deepEqual((await labels()).slice(1, 5), ["Old Film", "Series", "Music", "New Film"]);
    const tooltip = await row("downloads").locator(".monaco-icon-label").getAttribute("aria-label");
    match(tooltip ?? "", /█{19}░ 9\.6 of 10 kB[^]*1 directory \(3\.0 kB\) would go now[^]*Policy lru/);
    await workbench.screenshot("managed-dark");
  });

  it("keep what is pinned, and have another go in its place", async function () {
    this.timeout(60_000);
    await menu("Old Film", "Pin");
    await see("Old Film", /pinned/);
    await see("Series", /over the quota/);
    await menu("Old Film", "Release");
    await see("Old Film", /over the quota/);
    await menu("Old Film", "Mark as Used");
    await see("Old Film", /3\.0 kB · just now/);
    await see("Series", /over the quota/);
    await workbench.dismissToasts();
  });

  it("are evicted by a plan that is reviewed, one directory taken out, and undone", async function () {
    this.timeout(120_000);
    const before = treeState(downloads);
    await menu("downloads", "Evict…");
    await seeReview(/Nothing was changed yet/);
    match(
      await message().innerText(),
      /evict 1 directory in 1 cache under downloads; undo until[^]*2\.6 kB go to the quarantine/,
    );
    await see("downloads", /1 change · 2\.6 kB to the quarantine/, "Review");
    await workbench.reveal("Series", "Review");
    await see("Series", /to the quarantine for 1d · 2\.6 kB/, "Review");
    deepEqual(treeState(downloads), before);
    await workbench.screenshot("managed-review-dark");
    await workbench.setChecked("Series", false, "Review");
    await see("downloads", /0 of 1 change/, "Review");
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.toast(/every change is taken out/);
    deepEqual(treeState(downloads), before);
    await workbench.setChecked("Series", true, "Review");
    await see("downloads", /downloads\s*1 change/, "Review");
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.toast(/Done and verified/);
    deepEqual(directories(), ["Music", "New Film", "Old Film"]);
    await see("downloads", /7 of 10 kB \(70 %\)/);
    await workbench.expand("Quarantine", "Caches");
    await see("Series", /2\.6 kB · kept for 23h/);
    await workbench.screenshot("managed-quarantine-dark");
    await workbench.answerToast(/Done and verified/, "Undo");
    await workbench.toast(/restored|put back/);
    deepEqual(directories(), ["Music", "New Film", "Old Film", "Series"]);
    await see("downloads", /9\.6 of 10 kB/);
    equal(await row("Quarantine").count(), 0);
  });

  it("delete for good only after a question that says so, where there is no quarantine", async function () {
    this.timeout(90_000);
    await workbench.dismissToasts();
    await workbench.expand("scratch", "Caches");
    await menu("scratch", "Reconcile");
    await workbench.toast(/scratch holds 2 directories/);
    await see("job 1", /1\.0 kB · just now · expires in 29d/);
    await workbench.dismissToasts();
    await menu("job 1", "Evict…");
    await see("job 1", /DELETED FOR GOOD · 1\.0 kB · asked for/, "Review");
    match(await message().innerText(), /cannot be undone/);
    await workbench.screenshot("managed-for-good-dark");
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.answerDialog(/Delete 1 directory[^]*cannot be undone/, "Cancel");
    ok(existsSync(join(scratch, "job 1/frame.png")));
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.answerDialog(/Delete 1 directory/, "Delete for Good");
    await workbench.toast(/Done and verified/);
    deepEqual(
      readdirSync(scratch).filter((name) => name.startsWith("job")),
      ["job 2"],
    );
    await see("scratch", /1\.0 kB/);
  });

  it("forget a directory only after a question, and keep its files", async function () {
    this.timeout(60_000);
    await workbench.dismissToasts();
    await menu("job 2", "Forget…");
    await workbench.answerDialog(/Take job 2 out of the register/, "Cancel");
    await menu("job 2", "Forget…");
    await workbench.answerDialog(/Take job 2 out of the register/, "Forget");
    await workbench.toast(/not in the register of scratch any more/);
    await workbench.step("see it go", () => row("job 2").waitFor({ state: "detached" }));
    ok(existsSync(join(scratch, "job 2/frame.png")));
  });

  it("have their schedules in a view of their own, which pauses, resumes and runs them", async function () {
    this.timeout(90_000);
    await workbench.dismissToasts();
    await workbench.runCommand("Cache Ops: Focus on Schedules View");
    await see("nightly", /next .*never ran/, "Schedules");
    await workbench.rowMenu("nightly", "Pause", "Schedules");
    await see("nightly", /paused/, "Schedules");
    await workbench.rowMenu("nightly", "Resume", "Schedules");
    await see("nightly", /next/, "Schedules");
    await workbench.rowMenu("nightly", "Run Now", "Schedules");
    await see("nightly", /planned just now/, "Schedules");
    await workbench.screenshot("schedules-dark");
    deepEqual(directories(), ["Music", "New Film", "Old Film", "Series"]);
  });

  it("show their quotas in the dashboard, in the light theme, too", async function () {
    this.timeout(90_000);
    await workbench.dismissToasts();
    await workbench.runCommand("Cache Ops: Statistics");
    await workbench.page.waitForTimeout(3000);
    await workbench.screenshot("managed-dashboard-dark");
    await workbench.setTheme("light");
    await workbench.screenshot("managed-dashboard-light");
  });
});
