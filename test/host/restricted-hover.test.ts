import { ok } from "node:assert/strict";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { packagedExtension } from "./packaged.ts";
import { until } from "./trouble.ts";
import { Workbench } from "./workbench.ts";

/* A workspace could bring along files that are made to be probed: what is not trusted is not probed. */

describe("the hover of a cache file in a workspace that nobody trusts yet", () => {
  let log: string;
  let workbench: Workbench;

  before(async function () {
    this.timeout(180_000);
    const folder = makePlace("untrusted");
    makeMovies(folder, ["one.mkv"]);
    const place = makePlace("program");
    log = join(place, "log");
    const program = join(place, "ffprobe");
    writeFileSync(program, `#!/bin/sh\necho asked >>'${log}'\nexit 1\n`);
    chmodSync(program, 0o755);
    workbench = await Workbench.open({
      folder,
      vsix: packagedExtension(),
      trust: false,
      machineSettings: { "cacheOps.stateDirectory": makePlace("state"), "cacheOps.ffprobe.program": program },
    });
    await workbench.answerDialog(/trust/i, /No, I don't trust/);
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  const hover = () => workbench.page.locator(".monaco-hover:visible");
  const hoverEntry = () =>
    workbench.step("see what is known", async () => {
      await workbench.page.mouse.move(5, 5);
      await hover().first().waitFor({ state: "hidden" });
      await workbench.page
        .locator(".view-line", { hasText: "file_name" })
        .first()
        .hover({ position: { x: 120, y: 8 } });
      await hover().getByText("A cleanup keeps the entry").waitFor({ timeout: 30_000 });
    });

  it("says what is known of the entry and does not start ffprobe, until the workspace is trusted", async function () {
    this.timeout(120_000);
    await workbench.page.keyboard.press("Control+P");
    await workbench.quickInput.type(".mediabox_cache.json");
    await workbench.quickInput.pick(".mediabox_cache.json");
    await hoverEntry();
    // Both parts are asked at once, so what comes to know the entry would have started it.
    await workbench.page.waitForTimeout(1500);
    ok(!existsSync(log));
    await workbench.runCommand("Workspaces: Manage Workspace Trust");
    await workbench.page.getByRole("button", { name: "Trust", exact: true }).click();
    await workbench.runCommand("View: Close Editor");
    await workbench.step("see the cache file", () => workbench.page.locator(".view-line").first().waitFor());
    await hoverEntry();
    await until("ffprobe is asked", () => existsSync(log), Boolean);
  });
});
