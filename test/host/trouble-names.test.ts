import { deepEqual, equal, match, ok } from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { packagedExtension } from "./packaged.ts";
import { toasts } from "./trouble.ts";
import { Workbench } from "./workbench.ts";

/* The tree of caches as a tool, with names that are made to be taken for something else. */

/** Icon, link to a command, HTML, Markdown, quotes, line break, turned direction, a family. */
const HOSTILE = [
  "$(trash) $(sync~spin) icon.mkv",
  "[quit](command:workbench.action.quit).mkv",
  "<img src=x onerror=alert(1)> **bold** `code`.mkv",
  'it\'s "quoted" [1] {2} back\\slash.mkv',
  "two\nlines \u{202e}vkm.exe 🎬.mkv",
] as const;
const ROOT = "$(bug) [r](command:workbench.action.quit)";
const DIRECTORIES = 520;

describe("the tree of caches, in a real workbench", () => {
  let library: string;
  let workbench: Workbench;

  before(async function () {
    this.timeout(180_000);
    library = join(makePlace("names"), ROOT);
    makeMovies(join(library, "hostile"), [...HOSTILE, "here.mkv", ...Array.from({ length: 6 }, (_, n) => `${n}.mkv`)]);
    for (const name of HOSTILE) rmSync(join(library, "hostile", name));
    for (let index = 0; index < DIRECTORIES; index += 1)
      makeMovies(join(library, "many", `d${String(index).padStart(3, "0")}`), ["film.mkv"]);
    workbench = await Workbench.open({
      folder: library,
      vsix: packagedExtension(),
      machineSettings: {
        "cacheOps.libraries": [{ name: "films", roots: [library] }],
        "cacheOps.stateDirectory": makePlace("state"),
      },
    });
    await workbench.openView("Cache Ops");
    await workbench.step("see the tree", () => workbench.row("hostile", "Caches").waitFor({ timeout: 30_000 }));
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  const labels = async () => workbench.view("Caches").locator(".label-name").allInnerTexts();
  const icons = (scope: string) => workbench.page.locator(`${scope} .codicon-trash, ${scope} .codicon-bug`).count();

  it("shows names that look like icons, links or markup as text on one line", async function () {
    this.timeout(60_000);
    await workbench.expand("hostile", "Caches");
    await workbench.row("here.mkv", "Caches").waitFor();
    const shown = await labels();
    for (const name of HOSTILE.slice(0, 4)) ok(shown.includes(name), name);
    ok(shown.includes("two\\nlines \\u{202e}vkm.exe 🎬.mkv"));
    equal(await workbench.page.locator(".customview-tree .label-name .codicon").count(), 0);
    await workbench.screenshot("hostile-tree");
  });

  it("opens the cache file with the entry selected", async function () {
    this.timeout(60_000);
    await workbench.row(HOSTILE[1], "Caches").click();
    const editor = workbench.page.locator(".editor-group-container.active .monaco-editor[role=code]");
    await editor.waitFor();
    await workbench.page.waitForTimeout(1500);
    await workbench.page.evaluate(() => navigator.clipboard.writeText(""));
    await editor.locator(".inputarea, .native-edit-context").first().focus();
    await workbench.page.keyboard.press("Control+C");
    const text = await workbench.page.evaluate(() => navigator.clipboard.readText());
    match(text, /^"[0-9a-f]{64}": \{/);
    ok(text.includes(JSON.stringify(HOSTILE[1])), text);
    await workbench.runCommand("View: Close All Editors");
  });

  it("copies the path of an entry's media as it is", async function () {
    this.timeout(60_000);
    await workbench.rowMenu("two\\nlines \\u{202e}vkm.exe 🎬.mkv", "Copy Path", "Caches");
    await workbench.page.waitForTimeout(700);
    equal(await workbench.page.evaluate(() => navigator.clipboard.readText()), join(library, "hostile", HOSTILE[4]));
  });

  it("plans for one entry alone", async function () {
    this.timeout(60_000);
    await workbench.rowMenu(HOSTILE[3], "Clean Up This…", "Caches");
    await workbench.row(HOSTILE[3], "Review").waitFor({ timeout: 30_000 });
    const message = await workbench.view("Review").locator(".message").innerText();
    match(message, /Would remove 1 entry in 1 cache under films/);
    await workbench.viewAction("Review", "Put This Plan Aside");
  });

  it("keeps an entry by a pattern in the settings, and the next plan leaves it out", async function () {
    this.timeout(60_000);
    await workbench.rowMenu(HOSTILE[1], "Keep This Entry", "Caches");
    const toast = await workbench.toast(/are kept from now on/);
    equal(await toast.locator("a[href^='command'], .notification-list-item-message a").count(), 0);
    await workbench.screenshot("kept");
    await workbench.dismissToasts();
    await workbench.rowMenu("hostile", "Clean Up This…", "Caches");
    await workbench.row(HOSTILE[3], "Review").waitFor({ timeout: 30_000 });
    equal(await workbench.row(HOSTILE[1], "Review").count(), 0);
    match(await workbench.view("Review").locator(".message").innerText(), /Would remove 4 entries in 1 cache/);
    await workbench.screenshot("kept-plan");
    await workbench.viewAction("Review", "Put This Plan Aside");
  });

  it("narrows down by problem and by text, orders, and shows everything again", async function () {
    this.timeout(90_000);
    const rows = workbench.view("Caches").locator("[role=treeitem]");
    await workbench.expand("hostile", "Caches", false);
    await workbench.runCommand("Cache Ops: Filter Caches by Problem…");
    await workbench.quickInput.check("orphaned");
    await workbench.quickInput.accept();
    await workbench.view("Caches").getByText("Only: orphaned").waitFor();
    await workbench.row("many/d000", "Caches").waitFor({ state: "detached" });
    equal(await rows.count(), 2);
    await workbench.runCommand("Cache Ops: Search in Caches…");
    await workbench.quickInput.type("nothing has this");
    await workbench.quickInput.accept();
    await workbench.row("Nothing matches the filter.", "Caches").waitFor();
    await workbench.runCommand("Cache Ops: Search in Caches…");
    await workbench.quickInput.type("$(TRASH)");
    await workbench.quickInput.accept();
    await workbench.row("hostile", "Caches").waitFor();
    equal(await icons(".pane .message"), 0);
    await workbench.runCommand("Cache Ops: Search in Caches…");
    await workbench.quickInput.type("");
    await workbench.quickInput.accept();
    await workbench.viewAction("Caches", "Filter Caches by Problem (Active)");
    await workbench.quickInput.check("orphaned", false);
    await workbench.quickInput.accept();
    await workbench.row("many/d000", "Caches").waitFor();
    await workbench.runCommand("Cache Ops: Sort Caches by…");
    await workbench.quickInput.pick("By path");
    await workbench.row("many/d000", "Caches").waitFor();
    match(await rows.nth(1).innerText(), /^hostile/);
  });

  it("shows more than its first 500 directories on request", async function () {
    this.timeout(60_000);
    const goTo = async (key: "Home" | "End", label: string) => {
      // The tree is drawn more than once, and loses the key meanwhile.
      for (let tries = 0; tries < 20 && !(await workbench.row(label, "Caches").isVisible()); tries += 1) {
        await workbench.view("Caches").locator(".monaco-list").first().focus();
        await workbench.page.keyboard.press(key);
        await workbench.page.waitForTimeout(300);
      }
    };
    await goTo("End", "21 more…");
    await workbench.row("21 more…", "Caches").click();
    await goTo("End", "many/d519");
    await workbench.row("many/d519", "Caches").waitFor();
    equal(await workbench.row(/more…/, "Caches").count(), 0);
    await goTo("Home", "hostile");
  });

  it("shows a root's name in choices and prompts as text", async function () {
    this.timeout(60_000);
    await workbench.runCommand("Cache Ops: Configure Library…");
    ok((await workbench.quickInput.items()).some((item) => item.endsWith(ROOT)));
    await workbench.screenshot("configure");
    equal(await icons(".quick-input-widget .quick-input-list"), 0);
    await workbench.quickInput.pick(/names-/);
    await workbench.quickInput.opened("Name of the library");
    match(await workbench.quickInput.message(), /names-\w+\/\$\(bug\) \[r\] \(command:/);
    equal(
      await workbench.quickInput.box.locator(".quick-input-message a, .quick-input-message .codicon-bug").count(),
      0,
    );
    await workbench.screenshot("configure-name");
    await workbench.quickInput.cancel();
  });

  it("plans for a directory of the explorer", async function () {
    this.timeout(60_000);
    await workbench.dismissToasts();
    await workbench.page.keyboard.press("Control+Shift+E");
    const folder = workbench.page.locator(".explorer-folders-view [role=treeitem]", { hasText: "hostile" }).first();
    await folder.click({ button: "right" });
    const entry = workbench.page.locator(".monaco-menu .action-label", { hasText: "Clean Up Caches Here…" });
    await entry.waitFor();
    await workbench.page.waitForTimeout(300);
    await entry.click();
    await workbench.row(HOSTILE[3], "Review").waitFor({ timeout: 30_000 });
    deepEqual(await toasts(workbench), []);
  });
});
