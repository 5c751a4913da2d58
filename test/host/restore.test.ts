import { deepEqual, match, ok } from "node:assert/strict";
import { appendFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { packagedExtension } from "./packaged.ts";
import { toasts, until } from "./trouble.ts";
import { Workbench } from "./workbench.ts";

/* A backup and its restore by their forms, in a real workbench: form, plan, review, apply. */

describe("a backup in a real workbench", () => {
  let library: string;
  let state: string;
  let untouched: string[];
  let workbench: Workbench;

  before(async function () {
    this.timeout(180_000);
    library = makePlace("library");
    for (const name of ["gone", "torn", "whole"]) makeMovies(join(library, name), ["one.mkv", "two.mkv"]);
    untouched = treeState(library);
    state = makePlace("state");
    workbench = await Workbench.open({
      folder: library,
      vsix: packagedExtension(),
      machineSettings: {
        "cacheOps.libraries": [{ name: "films", roots: [library] }],
        "cacheOps.stateDirectory": state,
      },
    });
    await workbench.openView("Cache Ops");
    await workbench.step("see the tree", () => workbench.row("whole", "Caches").waitFor({ timeout: 30_000 }));
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  /** Opens the form of an operation and says which archive it is about; leaves the choice of what else to set. */
  const fillIn = async (command: string, title: string, archive: string) => {
    await workbench.runCommand(`Cache Ops: ${command}`);
    await workbench.quickInput.opened(`${title}: archive`);
    await workbench.quickInput.type(archive);
    await workbench.quickInput.accept();
    await workbench.quickInput.opened(title);
  };
  const message = () => workbench.view("Review").locator(".message");
  /** What is in the library: names, modes and bytes of its files, whatever the times of its directories. */
  const files = () => treeState(library).filter((line) => /\.(mkv|json) /.test(line));

  it("is made by a form that asks for nothing but a name", async function () {
    this.timeout(60_000);
    await fillIn("Back Up Caches…", "Back Up Caches", "before");
    await workbench.quickInput.pick(/Back Up Caches$/);
    await until(
      "the backup is there",
      () => readdirSync(state, { recursive: true }).join("\n"),
      (names) => /(^|\/)before[^\n]*$/m.test(names),
    );
    await workbench.page.locator(".tab", { hasText: "Back Up Caches" }).first().waitFor();
    deepEqual(treeState(library), untouched);
  });

  it("is refused for a name that no backup has, with what to do", async function () {
    this.timeout(60_000);
    await fillIn("Restore a Backup…", "Restore a Backup", "never made");
    await workbench.quickInput.pick(/Restore a Backup$/);
    await workbench.toast(/never made/);
    deepEqual(treeState(library), untouched);
    await workbench.dismissToasts();
  });

  it("is restored by a form that leads to a review, and nothing is written before that", async function () {
    this.timeout(60_000);
    rmSync(join(library, "gone", CACHE));
    appendFileSync(join(library, "torn", CACHE), "oops");
    const damaged = treeState(library);
    await fillIn("Restore a Backup…", "Restore a Backup", "before");
    await workbench.quickInput.pick(/Restore a Backup$/);
    await workbench.step("see the review", () =>
      message().filter({ hasText: "Nothing was changed yet" }).waitFor({ timeout: 30_000 }),
    );
    match(await message().innerText(), /Would restore 2 .* under films/i);
    match(await message().innerText(), /Takes \d+ B\./);
    const groups = workbench.view("Review").locator("[role=treeitem][aria-level='1'] .label-name");
    // While rows are drawn, they may still show what stood there before.
    for (const name of ["gone", "torn"]) await groups.getByText(name, { exact: true }).waitFor({ timeout: 10_000 });
    deepEqual((await groups.allInnerTexts()).toSorted(), ["gone", "torn"]);
    deepEqual(treeState(library), damaged);
    await workbench.screenshot("restore-review");
  });

  it("comes back as it was, once the plan is applied: every byte, mode and time", async function () {
    this.timeout(60_000);
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.toast(/Done and verified/);
    deepEqual(
      files(),
      untouched.filter((line) => /\.(mkv|json) /.test(line)),
    );
    ok((await toasts(workbench)).every((text) => !/Trouble|failed/i.test(text)));
  });
});
