import assert from "node:assert/strict";
import { join } from "node:path";

import type { FrameLocator } from "playwright-core";

import { Workbench } from "../host/workbench.ts";
import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";

describe("the dashboard in VS Code", function () {
  this.timeout(240_000);
  let workbench: Workbench;
  const root = makeStaleLibrary("a", "b");

  before(async () => {
    const place = makePlace("dashboard");
    workbench = await Workbench.open({
      extension: new URL("../../extension", import.meta.url).pathname,
      settings: { "cacheOps.libraries": [{ name: "films", roots: [root] }] },
      env: { CACHE_OPS_STATE_DIR: join(place, "state"), CACHE_OPS_CONFIG: "" },
    });
  });
  after(() => workbench.close());

  const page = (): FrameLocator =>
    workbench.page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  const tile = (name: string) => page().locator(".tile", { hasText: name }).locator("dd").first();

  it("looks at the libraries and shows what it finds, bound by its policy", async () => {
    const broken: string[] = [];
    workbench.page.on("console", (message) => {
      if (/Content Security Policy|Uncaught/.test(message.text())) broken.push(message.text());
    });
    await workbench.runCommand("Cache Ops: Statistics");
    await tile("Stale").waitFor({ timeout: 60_000 });
    assert.equal(await tile("Stale").innerText(), "2");
    assert.equal(await tile("Entries").innerText(), "6");
    await workbench.screenshot("dashboard");
    assert.deepEqual(
      broken.filter((line) => /dashboard|inline style|inline script/.test(line)),
      [],
    );
  });

  it("comes back with what it showed after another tab hid it, and is one panel", async () => {
    await workbench.runCommand("File: New Untitled Text File");
    await page().locator("main").waitFor({ state: "hidden" });
    await workbench.runCommand("Cache Ops: Statistics");
    await tile("Stale").waitFor({ timeout: 60_000 });
    assert.equal((await workbench.tabs()).filter((label) => label === "Cache Ops").length, 1);
  });

  it("is dressed in the theme, and again when that changes", async () => {
    for (const theme of ["light", "contrast"] as const) {
      await workbench.setTheme(theme);
      await workbench.screenshot(`dashboard ${theme}`);
    }
  });

  it("leads to the review of a cleanup", async () => {
    await page().locator("#cleanup").click();
    await workbench.screenshot("dashboard cleanup");
  });
});
