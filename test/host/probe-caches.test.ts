import { deepEqual, equal, match, ok } from "node:assert/strict";
import { chmodSync, existsSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { age, makeMediaAuditCache, pickleEntries } from "../support/media-audit.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { packagedExtension } from "./packaged.ts";
import { makeStaleLibrary } from "./stale-library.ts";
import { until } from "./trouble.ts";
import { Workbench } from "./workbench.ts";

/* Caches of probe results in a real workbench: the hover that asks ffprobe, media-audit's cache, the central one. */

/** A file that is more than data. */
const REFUSED = `${"0".repeat(32)}.pkl`;
const FILM = "FFV1 410p (2000).mkv";

describe("caches of probe results in a real workbench", () => {
  let library: string;
  let cacheHome: string;
  let gate: string;
  let program: string;
  let torn: string;
  let configuration: string;
  let workbench: Workbench;

  before(async function () {
    this.timeout(180_000);
    library = makeStaleLibrary();
    cacheHome = makePlace("cache-home");
    gate = join(makePlace("gate"), "open");
    program = join(makePlace("program"), "ffprobe");
    writeFileSync(
      program,
      `#!/bin/sh\necho asked >>'${gate}.log'\nuntil [ -e '${gate}' ]; do sleep 0.05; done\nexec ffprobe "$@"\n`,
    );
    chmodSync(program, 0o755);
    configuration = join(makePlace("configuration"), "config.json");
    writeFileSync(configuration, "{}");
    workbench = await Workbench.open({
      folder: library,
      vsix: packagedExtension(),
      env: { XDG_CACHE_HOME: cacheHome },
      machineSettings: {
        "cacheOps.libraries": [{ name: "films", roots: [library] }],
        "cacheOps.stateDirectory": makePlace("state"),
        "cacheOps.configurationFile": configuration,
        "cacheOps.ffprobe.program": program,
      },
    });
    await workbench.openView("Cache Ops");
    await workbench.step("see the tree", () => workbench.row("movies/Names", "Caches").waitFor({ timeout: 30_000 }));
    // VS Code draws a new tree twice; a click in between is lost.
    await workbench.page.waitForTimeout(1000);
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  const row = (label: string | RegExp) => workbench.row(label, "Caches");
  const see = (label: string | RegExp, text: RegExp) =>
    workbench.step(`see ${text}`, () => row(label).filter({ hasText: text }).waitFor({ timeout: 20_000 }));
  const labels = () => workbench.view("Caches").locator("[role=treeitem] .label-name").allInnerTexts();
  const place = () => join(cacheHome, "media-audit");

  const hover = () => workbench.page.locator(".monaco-hover:visible");
  /** Points at the entry of the film in its cache file, and waits for what is known of it. */
  const hoverEntry = async () => {
    const line = workbench.page.locator(".view-line", { hasText: `"file_name": "${FILM}"` }).first();
    await workbench.step("see the cache file", () => line.waitFor());
    await workbench.step("see what is known", async () => {
      await line.hover({ position: { x: 120, y: 8 } });
      await hover().getByText("A cleanup keeps the entry").waitFor();
    });
  };

  it("have no part in the tree while there are none", async () => {
    await workbench.expand("films", "Caches", false);
    deepEqual(await labels(), ["films"]);
    await workbench.expand("films", "Caches");
  });

  it("show in a hover what is known at once, and what ffprobe says as soon as it does", async function () {
    this.timeout(90_000);
    await workbench.expand("movies/FFV1 410p (2000)", "Caches");
    await workbench.row(FILM, "Caches").click();
    await hoverEntry();
    await until("ffprobe is asked", () => existsSync(`${gate}.log`), Boolean);
    equal(await hover().getByText("matroska/webm").count(), 0);
    writeFileSync(gate, "");
    await workbench.step("see what ffprobe says", () => hover().getByText("matroska/webm").waitFor());
    match((await hover().innerText()).replaceAll("\u00a0", " "), /A cleanup keeps the entry[^]*ffprobe[^]*Video: ffv1/);
    await workbench.screenshot("probe-hover-dark");
  });

  it("appear closed when there are some, and are looked into only when they are opened", async function () {
    this.timeout(60_000);
    fillMediaAudit();
    await workbench.expand("films", "Caches", false);
    await workbench.runCommand("Cache Ops: Refresh Caches");
    await see("media-audit", /^\s*media-audit\s*$/);
    for (const label of ["media-audit", "Probe results"]) {
      equal(await row(label).getAttribute("aria-expanded"), "false");
    }
    deepEqual(await labels(), ["films", "media-audit", "Probe results"]);
    await workbench.expand("media-audit", "Caches");
    await see("media-audit", /3 stale · [\d.]+ kB/);
    await workbench.row("-dash first.mkv", "Caches").waitFor();
    const rows = workbench.view("Caches").locator("[role=treeitem][aria-level='2']");
    const shown = await rows.evaluateAll((all) => all.map((each) => each.getAttribute("aria-label") ?? ""));
    deepEqual(shown.slice(0, 3), [
      "-dash first.mkv, orphaned · 1h ago",
      "AV1 (2023).mkv, orphaned · 1h ago",
      "UPPER CASE.MKV, other schema · 1h ago",
    ]);
    deepEqual(
      shown.slice(3, -1).toSorted(),
      [
        `${basename(torn).slice(0, 8)}….pkl, corrupt`,
        "No audio (1925).mp4, changed · 1h ago",
        "Relative.mkv, relative path · 1h ago",
        "Unmounted.mkv, unreachable · 1h ago",
        "00000000….pkl, refused",
      ].toSorted(),
    );
    equal(shown.at(-1), `${FILM}, 1h ago`);
    await workbench.expand("Probe results", "Caches");
    await see("Probe results", /1 result · [\d.]+ (k?B)/);
    await see("Hit rate", /% of 1 request/);
    await see("Runs of ffprobe", /1$/);
    await workbench.screenshot("probe-caches-dark");
  });

  it("are cleaned by a plan of one entry: exactly its file goes", async function () {
    this.timeout(60_000);
    const before = treeState(place());
    await workbench.rowMenu("-dash first.mkv", "Clean Up This…", "Caches");
    const message = workbench.view("Review").locator(".message");
    await workbench.step("see the review", () =>
      message.filter({ hasText: "Nothing was changed yet" }).waitFor({ timeout: 30_000 }),
    );
    match(await message.innerText(), /1 entry|1 file/);
    deepEqual(treeState(place()), before);
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.toast(/Done and verified: 1 entry/);
    deepEqual(before.filter((line) => !treeState(place()).includes(line) && line.includes(".pkl")).length, 1);
    await see("media-audit", /2 stale/);
    await workbench.answerToast(/Done and verified: 1 entry/, "Undo");
    await workbench.toast(/restored/);
    deepEqual(treeState(place()).filter(isFile), before.filter(isFile));
    await see("media-audit", /3 stale/);
  });

  it("are cleaned as a whole from their section, and reviewed in one group", async function () {
    this.timeout(60_000);
    await workbench.dismissToasts();
    await workbench.rowMenu("media-audit", "Clean Up This…", "Caches");
    await workbench.step("see the review", () =>
      workbench.row("media-audit/probe", "Review").filter({ hasText: "3 changes" }).waitFor({ timeout: 30_000 }),
    );
    await workbench.screenshot("media-audit-review-dark");
    await workbench.runCommand("Cache Ops: Put This Plan Aside");
  });

  it("are repaired by a plan that removes only what is torn", async function () {
    this.timeout(60_000);
    await workbench.rowMenu("media-audit", "Repair This…", "Caches");
    await workbench.step("see the review", () =>
      workbench.row("media-audit/probe", "Review").filter({ hasText: "1 change" }).waitFor({ timeout: 30_000 }),
    );
    await workbench.runCommand("Cache Ops: Put This Plan Aside");
    ok(existsSync(torn));
  });

  it("are forgotten only after a question, where they are our own", async function () {
    this.timeout(60_000);
    await workbench.rowMenu("Probe results", "Forget All Probe Results…", "Caches");
    await workbench.answerDialog(/Forget 1 probe result/, "Cancel");
    await workbench.rowMenu("Probe results", "Repair This…", "Caches");
    await workbench.toast(/in order; there is nothing to repair/);
    await see("Probe results", /1 result/);
    await workbench.rowMenu("Probe results", "Forget All Probe Results…", "Caches");
    await workbench.answerDialog(/Forget 1 probe result/, "Forget");
    await workbench.toast(/1 result forgotten/);
    await see("Probe results", /0 results/);
  });

  it("can be looked at in the light theme", async function () {
    this.timeout(90_000);
    await workbench.setTheme("light");
    await workbench.dismissToasts();
    await workbench.expand("Probe results", "Caches", false);
    await hoverEntry();
    await workbench.step("see what ffprobe says", () => hover().getByText("matroska/webm").waitFor());
    await workbench.screenshot("probe-caches-light");
  });

  it("are told apart by their places where there are several, and one that is missing says so", async function () {
    this.timeout(60_000);
    const missing = join(cacheHome, "nowhere");
    const configure = async (mediaAudit: readonly string[]) => {
      writeFileSync(configuration, JSON.stringify({ probe: { mediaAudit } }));
      await workbench.runCommand("Cache Ops: Refresh Caches");
    };
    const named = (text: string) =>
      workbench.view("Caches").locator("[role=treeitem]").filter({ hasText: text }).filter({ hasText: "media-audit" });
    await configure([place(), missing]);
    await workbench.step("see both", () => named(missing).waitFor());
    await named(missing).locator(".monaco-tl-twistie").click();
    await workbench.step("see that it is missing", () => named(missing).filter({ hasText: "missing ·" }).waitFor());
    await configure(["~/media-audit"]);
    await see(/is not an absolute path/, /~ is not expanded/);
    deepEqual((await labels()).includes("films"), true);
    await configure([]);
    await see("media-audit", /^\s*media-audit\s*$/);
    deepEqual(await labels(), ["films", "media-audit", "Probe results"]);
  });

  /** A cache of media-audit at its default place, with an entry of every sort. */
  function fillMediaAudit(): void {
    const movies = join(library, "movies");
    const made = makeMediaAuditCache();
    const [, , , , , , , last = ""] = pickleEntries(made, [
      { filePath: join(movies, "FFV1 410p (2000)", FILM) },
      { filePath: join(movies, "Names", "-dash first.mkv") },
      { filePath: join(movies, "AV1 (2023)", "AV1 (2023).mkv") },
      { filePath: join(movies, "Upper (1990)", "UPPER CASE.MKV"), schema: "00000000" },
      { filePath: join(movies, "No audio (1925)", "No audio (1925).mp4"), size: 1 },
      { filePath: "Relative.mkv" },
      { filePath: "/nowhere/Unmounted.mkv" },
      { filePath: join(movies, "Torn.mkv") },
    ]);
    truncateSync(last, 40);
    age(last);
    const refused = join(made, "probe", REFUSED);
    writeFileSync(refused, "cos\nsystem\n(S'touch /tmp/executed'\ntR.");
    age(refused);
    renameSync(made, place());
    torn = join(place(), "probe", basename(last));
  }
});

function isFile(line: string): boolean {
  return line.includes(".pkl");
}
