import { deepEqual, equal, match, ok } from "node:assert/strict";
import process from "node:process";

import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { packagedExtension } from "./packaged.ts";
import { entryCounts, makeLargeLibrary, planAll, runsIn, toasts, until, workersOf } from "./trouble.ts";
import { Workbench } from "./workbench.ts";

/* What stops an apply in the middle: a person, the end of the worker, the end of the window. */

const DIRECTORIES = 1000;

describe("an apply that is stopped in the middle, in a real workbench", () => {
  let library: string;
  let state: string;
  let workbench: Workbench;
  let untouched: string[];

  before(async function () {
    this.timeout(180_000);
    library = makeLargeLibrary(DIRECTORIES);
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
    await workbench.runCommand("Cache Ops: History");
    await workbench.view("History").getByText("Nothing was done yet").waitFor({ timeout: 30_000 });
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  /** How many caches are new; the others are old. Fails when one is neither. */
  const cleaned = () => {
    const counts = entryCounts(library);
    deepEqual(new Set(counts).difference(new Set([1, 2])), new Set());
    equal(counts.length, DIRECTORIES);
    return counts.filter((count) => count === 1).length;
  };
  const startApply = async (window: Workbench) => {
    await planAll(window);
    await window.viewAction("Review", "Apply This Plan");
    await until("caches change", cleaned, (count) => count > 20);
  };
  const files = (lines: readonly string[]) => lines.filter((line) => /\.(mkv|json)/.test(line));
  const newest = () => runsIn(state)[0];

  it("by Cancel: says so with the counts of the disk, and Undo puts every byte back", async function () {
    this.timeout(60_000);
    await startApply(workbench);
    await workbench.answerToast(/Apply Plan/, "Cancel");
    const text = await (await workbench.toast(/CANCELLED/)).innerText();
    const done = cleaned();
    match(text, new RegExp(`CANCELLED: ${done} entries changed, ${DIRECTORIES - done} files not tried`));
    ok(done < DIRECTORIES);
    equal((await toasts(workbench)).length, 1);
    const row = workbench.row(`${done} entries in ${done} caches`, "History");
    await row.filter({ hasText: "cancelled" }).waitFor();
    await workbench.answerToast(/CANCELLED/, "Undo");
    await workbench.toast(new RegExp(`Done and verified: ${done} entries restored`));
    deepEqual(treeState(library), untouched);
  });

  it("by the end of the worker: says so once, and the History shows it and undoes it", async function () {
    this.timeout(60_000);
    await workbench.dismissToasts();
    await startApply(workbench);
    const [worker = 0] = workersOf(workbench);
    process.kill(worker, "SIGKILL");
    await workbench.toast(/the worker ended before it answered.*run the command again/);
    equal((await toasts(workbench)).length, 1);
    const row = workbench.row("not counted yet", "History");
    await row.filter({ hasText: "interrupted" }).waitFor();
    ok(cleaned() < DIRECTORIES);
    await workbench.dismissToasts();
    await workbench.rowAction("not counted yet", "Undo This Run", "History");
    await workbench.toast(/Done and verified: \d+ entries restored/);
    // What time a directory had after the last batch, a worker that died could not note.
    deepEqual(files(treeState(library)), files(untouched));
    untouched = treeState(library);
    await row.waitFor({ state: "detached" });
  });

  it("by the end of its window: stops at once and is recorded, and another window shows it and undoes it", async function () {
    this.timeout(90_000);
    await workbench.dismissToasts();
    const other = await workbench.another({ folder: library });
    const workers = workersOf(workbench);
    await other.openView("Cache Ops");
    await startApply(other);
    const [worker = 0] = workersOf(workbench).filter((pid) => !workers.includes(pid));
    ok(worker);
    await other.page.close({ runBeforeUnload: true });
    await until(
      "the worker ends",
      () => workersOf(workbench),
      (now) => !now.includes(worker),
    );
    await other.close();
    const run = newest();
    equal(run?.state, "cancelled");
    const done = cleaned();
    ok(done < DIRECTORIES);
    // Nothing was done in this window: it saw the change in the store.
    const row = workbench.row(`${done} entries in ${done} caches`, "History");
    await row.filter({ hasText: "cancelled" }).waitFor();
    const root = workbench.row("films", "Caches");
    await root.filter({ hasText: `${(DIRECTORIES - done).toLocaleString()} stale` }).waitFor();
    await workbench.rowAction(`${done} entries in ${done} caches`, "Undo This Run", "History");
    await workbench.toast(new RegExp(`Done and verified: ${done} entries restored`));
    deepEqual(treeState(library), untouched);
    await root.filter({ hasText: `${DIRECTORIES.toLocaleString()} stale` }).waitFor();
  });
});
