import { deepEqual, equal } from "node:assert/strict";
import { mkdirSync, readdirSync, renameSync, rmdirSync } from "node:fs";

import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { packagedExtension } from "./packaged.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { planAll, runsIn, toasts } from "./trouble.ts";
import { Workbench } from "./workbench.ts";

/* Two windows on one library, a library that goes away, and one that lost everything. */

describe("windows and a library that change behind each other's back, in a real workbench", () => {
  let library: string;
  let state: string;
  let one: Workbench;
  let two: Workbench;
  let untouched: string[];

  before(async function () {
    this.timeout(180_000);
    library = makeStaleLibrary("a", "b", "c", "d", "e", "f");
    untouched = treeState(library);
    state = makePlace("state");
    one = await Workbench.open({
      folder: library,
      vsix: packagedExtension(),
      machineSettings: {
        "cacheOps.libraries": [{ name: "films", roots: [library] }],
        "cacheOps.stateDirectory": state,
      },
    });
    two = await one.another({ folder: library });
    for (const window of [one, two]) {
      await window.openView("Cache Ops");
      await window.runCommand("Cache Ops: History");
      await window.view("History").getByText("Nothing was done yet").waitFor({ timeout: 30_000 });
      await root(window, "6 stale");
    }
  });

  after(async function () {
    this.timeout(30_000);
    await two.close();
    await one.close();
  });

  const root = (window: Workbench, text: string) =>
    window.step(`see ${text}`, () => window.row("films", "Caches").filter({ hasText: text }).waitFor());
  const apply = (window: Workbench) => window.viewAction("Review", "Apply This Plan");

  it("two windows that apply one plan at the same time do it once, and both say what was done", async function () {
    this.timeout(60_000);
    await planAll(one);
    const description = await one.view("Review").locator(".pane-header").innerText();
    const plan = /plan-\w+/.exec(description)?.[0] ?? "";
    await two.runCommand("Cache Ops: Apply Plan…");
    await two.quickInput.type(plan);
    await two.quickInput.accept();
    await two.view("Review").locator(".message", { hasText: "Nothing was changed yet" }).waitFor();
    await Promise.all([apply(one), apply(two)]);
    for (const window of [one, two]) {
      await window.toast(/Done and verified: 6 entries changed in 6 caches|is being carried out by/);
      await root(window, "nothing stale");
      await window.row("6 entries in 6 caches", "History").waitFor();
      equal((await toasts(window)).length, 1);
    }
    equal(runsIn(state).length, 1);
  });

  it("what one window undoes is stale again in the other, without a refresh", async function () {
    this.timeout(60_000);
    await one.dismissToasts();
    await one.rowAction("6 entries in 6 caches", "Undo This Run", "History");
    await root(two, "6 stale");
    await two.row("Undo: 6 entries in 6 caches", "History").waitFor();
    deepEqual(treeState(library), untouched);
  });

  it("of two plans over the same caches each change is made once, and the other says what it refused", async function () {
    this.timeout(60_000);
    for (const window of [one, two]) {
      await window.dismissToasts();
      await planAll(window);
    }
    await Promise.all([apply(one), apply(two)]);
    const said: string[] = [];
    for (const window of [one, two]) {
      await window.toast(/Done and verified|PARTIAL|REFUSED|There was nothing/);
      said.push(...(await toasts(window)));
    }
    equal(said.length, 2, said.join("\n"));
    const reports = runsIn(state)
      .filter(({ undoes }) => undoes === null)
      .slice(0, 2);
    equal(
      reports.reduce((sum, { report }) => sum + (report?.entries ?? 0), 0),
      6,
      said.join("\n"),
    );
    for (const window of [one, two]) await root(window, "nothing stale");
  });

  it("a library that went away is shown as missing and blocks plans, and comes back as it was", async function () {
    this.timeout(90_000);
    await one.dismissToasts();
    await one.runCommand("Cache Ops: Undo Last Cleanup…");
    await one.answerDialog(/Put back/, "Undo");
    await one.toast(/Done and verified/);
    await root(one, "stale");
    await one.dismissToasts();
    await planAll(one);
    const before = treeState(library);
    const away = `${library}-away`;
    renameSync(library, away);
    for (const [what, make] of [
      ["missing", () => undefined],
      ["empty", () => mkdirSync(library)],
    ] as const) {
      make();
      await one.dismissToasts();
      await apply(one);
      await one.toast(what === "empty" ? /this directory is empty/ : /this directory does not exist/);
      equal((await toasts(one)).length, 1, (await toasts(one)).join("\n"));
      await one.dismissToasts();
      await one.runCommand("Cache Ops: Refresh Caches");
      await root(one, what);
      equal(await one.view("Caches").locator("[role=treeitem]").count(), 1);
      equal(await one.view("Caches").locator(".codicon-warning").count(), 1);
      equal(await one.page.locator(".activitybar .action-item.checked .badge-content:visible").count(), 0);
      deepEqual(await toasts(one), []);
      await one.screenshot(`library-${what}`);
    }
    await one.runCommand("Cache Ops: Clean Up…");
    await one.quickInput.pick(/All libraries/);
    await one.row(/^Blocked: this directory is empty/, "Review").waitFor();
    await one.toast(/blocked.*Mount the disk/);
    equal((await toasts(one)).length, 1, (await toasts(one)).join("\n"));
    deepEqual(readdirSync(library), []);
    rmdirSync(library);
    renameSync(away, library);
    deepEqual(treeState(library), before);
    await one.runCommand("Cache Ops: Refresh Caches");
    await root(one, "stale");
  });
});
