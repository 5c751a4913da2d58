import { equal, deepEqual, match, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { CACHE } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { packagedExtension } from "./packaged.ts";
import { makeStaleLibrary } from "./stale-library.ts";
import { THEMES, Workbench, type Theme } from "./workbench.ts";

/*
 * The main job as a person does it, in a real workbench, with the packaged extension and nothing else of the
 * repository: see what is stale, review, take one change out, look at the diff, apply, undo.
 */

describe("the packaged extension in a real workbench", () => {
  let library: string;
  let workbench: Workbench;
  let untouched: string[];

  before(async function () {
    this.timeout(180_000);
    library = makeStaleLibrary();
    untouched = treeState(library);
    const state = makePlace("state");
    workbench = await Workbench.open({
      folder: library,
      vsix: packagedExtension(),
      machineSettings: {
        "cacheOps.libraries": [{ name: "films", roots: [library] }],
        "cacheOps.stateDirectory": state,
      },
    });
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  const caches = () => treeState(library).filter((line) => line.includes(CACHE));
  const cacheOf = (directory: string) =>
    JSON.parse(readFileSync(join(library, directory, CACHE), "utf8")) as Record<string, { readonly file_name: string }>;
  const namesIn = (directory: string) => Object.values(cacheOf(directory)).map((entry) => entry.file_name);

  it("shows stale caches first, with counts, ages and a badge", async function () {
    this.timeout(60_000);
    await workbench.openView("Cache Ops");
    const rows = workbench.view("Caches").locator("[role=treeitem]");
    await workbench.step("see the tree", () => workbench.row("movies/Names", "Caches").waitFor({ timeout: 30_000 }));
    match(await rows.nth(0).innerText(), /films\s*4 stale · [\d.]+ kB/);
    match(await rows.nth(1).innerText(), /movies\/Names\s*2 stale · [\d.]+ kB · \d+\w+ ago/);
    const badge = workbench.page.locator(".activitybar .action-item", { hasText: "4" });
    equal(await badge.locator(".badge-content").innerText(), "4");
    await workbench.expand("movies/Names", "Caches");
    await workbench.row("-dash first.mkv", "Caches").waitFor();
    const entries = await rows.filter({ hasText: "orphaned" }).count();
    equal(entries, 2);
    match(await rows.nth(3).innerText(), /orphaned/);
  });

  it("plans a cleanup and opens it for review, and nothing is written", async function () {
    this.timeout(60_000);
    await workbench.runCommand("Cache Ops: Clean Up…");
    await workbench.quickInput.pick(/All libraries/);
    await workbench.step("see the review", () =>
      workbench.row("AV1 (2023).mkv", "Review").waitFor({ timeout: 30_000 }),
    );
    const message = await workbench.view("Review").locator(".message").innerText();
    match(message, /Would remove 3 entries, move 1 entry after its media in 4 caches under films/);
    match(message, /Nothing was changed yet/);
    deepEqual(treeState(library), untouched);
  });

  it("shows the cache files before and after as one diff, without what was taken out", async function () {
    this.timeout(60_000);
    // VS Code draws a new tree twice; a click in between is lost, and the box says so.
    await workbench.page.waitForTimeout(1000);
    await workbench.setChecked("AV1 (2023).mkv", false, "Review");
    await workbench.step("see what was taken out", () =>
      workbench.view("Review").locator(".message", { hasText: "1 taken out by you" }).waitFor(),
    );
    await workbench.runCommand("Cache Ops: Show Changes as Diff");
    const editor = workbench.page.locator(".multiDiffEntry");
    await editor.first().waitFor({ timeout: 30_000 });
    const tabs = await workbench.tabs();
    ok(
      tabs.some((tab) => /plan-\w+: 3 files/.test(tab)),
      tabs.join(", "),
    );
    await workbench.page.getByText("Cover art (2013).mp4").first().waitFor();
    deepEqual(treeState(library), untouched);
  });

  for (const theme of ["light", "contrast", "dark"] as const) {
    it(`can be looked at in the ${theme} theme`, async function () {
      this.timeout(90_000);
      await look(theme);
    });
  }

  const look = async (theme: Theme) => {
    await workbench.setTheme(theme);
    await workbench.dismissToasts();
    ok(await workbench.page.locator(`.monaco-workbench.${THEMES[theme].class}`).isVisible());
    await workbench.runCommand("Cache Ops: Show Changes as Diff");
    await workbench.page.locator(".multiDiffEntry").first().waitFor({ timeout: 30_000 });
    await workbench.screenshot(`review-and-diff-${theme}`);
    await workbench.runCommand("Cache Ops: Statistics");
    const dashboard = workbench.page.frameLocator("iframe.webview").frameLocator("iframe");
    await dashboard.getByRole("heading", { name: "Totals" }).waitFor({ timeout: 30_000 });
    await workbench.screenshot(`dashboard-${theme}`);
    await workbench.runCommand("Cache Ops: Open Settings");
    const libraries = workbench.page.getByText("Media directories that caches are about.");
    await workbench.step("see the settings", () => libraries.first().waitFor({ timeout: 30_000 }));
    await workbench.screenshot(`settings-${theme}`);
    // The settings lie over everything else.
    await workbench.page.keyboard.press("Escape");
    await workbench.runCommand("View: Close All Editors");
  };

  it("applies exactly what stayed checked", async function () {
    this.timeout(60_000);
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.toast(/Done and verified: 3 entries changed in 3 caches/);
    equal(namesIn("movies/AV1 (2023)").length, 1);
    ok(!namesIn("movies/Names").includes("-dash first.mkv"));
    deepEqual(namesIn("movies/Cover art (2013)"), []);
    ok(namesIn("movies/FFV1 410p (2000)").includes("Cover art (2013).mp4"));
    const other = (lines: readonly string[]) => lines.filter((line) => /No audio|Perfect|Breaking Bad/.test(line));
    deepEqual(other(treeState(library)), other(untouched));
  });

  it("shows what is left, and the run in the history", async function () {
    this.timeout(60_000);
    const first = workbench.view("Caches").locator("[role=treeitem]").first();
    await first.filter({ hasText: "1 stale" }).waitFor({ timeout: 15_000 });
    await workbench.runCommand("Cache Ops: History");
    await workbench.row("3 entries in 3 caches", "History").waitFor({ timeout: 15_000 });
    await workbench.screenshot("applied");
  });

  it("undoes the run from its notification: every byte, mode and time is back", async function () {
    this.timeout(60_000);
    await workbench.answerToast(/Done and verified: 3 entries changed/, "Undo");
    await workbench.toast(/Done and verified: 3 entries restored/);
    deepEqual(treeState(library), untouched);
    ok(caches().length > 0);
    const first = workbench.view("Caches").locator("[role=treeitem]").first();
    await first.filter({ hasText: "4 stale" }).waitFor({ timeout: 15_000 });
    await workbench.row(/Undo: 3 entries in 3 caches/, "History").waitFor({ timeout: 15_000 });
  });
});
