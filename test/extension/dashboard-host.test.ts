import assert from "node:assert/strict";
import { join } from "node:path";

import type { FrameLocator } from "playwright-core";

import { openState } from "../../shared/index.ts";
import { Workbench } from "../host/workbench.ts";
import { makeContext } from "../support/context.ts";
import { makePlace } from "../support/place.ts";
import { applyById, makeStaleLibrary, planCleanup } from "../support/runs.ts";
import { eventually } from "./page-host.ts";

describe("the dashboard in VS Code", function () {
  this.timeout(240_000);
  let workbench: Workbench;
  const broken: string[] = [];

  before(async () => {
    const root = makeStaleLibrary("a", "b", "c");
    const directory = join(makePlace("dashboard"), "state");
    const state = openState(directory);
    const context = makeContext({ state: () => state });
    await applyById(context, (await planCleanup(context, [join(root, "c")])).plan);
    state.close();
    workbench = await Workbench.open({
      extension: new URL("../../extension", import.meta.url).pathname,
      machineSettings: {
        "cacheOps.libraries": [{ name: "films", roots: [root] }],
        "cacheOps.stateDirectory": directory,
      },
    });
    workbench.page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) broken.push(message.text());
    });
    // The palette knows the commands when the view is there.
    await workbench.openView("Cache Ops");
  });
  after(() => workbench.close());

  const page = (): FrameLocator =>
    workbench.page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  const figure = async (tile: string, expected: string) =>
    page()
      .locator(".tile", { hasText: tile })
      .locator("dd", { hasText: new RegExp(`^${expected}$`) })
      .waitFor({ timeout: 60_000 });

  it("looks at the libraries and shows what it finds", async () => {
    await workbench.runCommand("Cache Ops: Statistics");
    await figure("Stale", "2");
    await figure("Entries", "8");
    await workbench.screenshot("dashboard dark");
  });

  it("is one panel, and shows its figures again after another tab hid it", async () => {
    await workbench.runCommand("File: New Untitled Text File");
    await page().locator("main").waitFor({ state: "hidden" });
    await workbench.runCommand("Cache Ops: Statistics");
    await figure("Stale", "2");
    assert.equal((await workbench.tabs()).filter((label) => label === "Cache Ops").length, 1);
  });

  it("is dressed in the theme, also when that changes", async () => {
    const background = async () =>
      page()
        .locator("body")
        .evaluate((body) => getComputedStyle(body).backgroundColor);
    const dark = await background();
    await workbench.setTheme("light");
    assert.notEqual(await background(), dark);
    await workbench.screenshot("dashboard light");
    await workbench.setTheme("contrast");
    await page().locator("body.vscode-high-contrast").waitFor();
    await workbench.screenshot("dashboard contrast");
  });

  it("looks again when asked to", async () => {
    await page().locator("#refresh").click();
    await page().locator("#status", { hasText: "Up to date." }).waitFor();
  });

  it("leads to a cleanup", async () => {
    await page().locator("#cleanup").click();
    await workbench.page.locator(".quick-input-title", { hasText: "Clean Up" }).waitFor();
    await workbench.page.keyboard.press("Escape");
  });

  it("undoes a run after a question, and then shows what came back", async () => {
    await page().locator("#runs td button").click();
    await workbench.answerDialog(/undo/i, "Undo");
    await figure("Stale", "3");
    await page().locator("#runs p", { hasText: "0 runs stand, 1 was undone." }).waitFor();
    await workbench.screenshot("dashboard undone");
  });

  it("is bound by its policy, and broke none of it", async () => {
    assert.deepEqual(broken, []);
    await page()
      .locator("body")
      .evaluate((body) => {
        const image = document.createElement("img");
        image.src = "https://127.0.0.1/none.png";
        body.append(image);
      });
    const isNoticed = (lines: string) => /Loading the image .* "default-src 'none'"/.test(lines);
    await eventually(async () => broken.join("\n"), isNoticed);
  });
});
