import { deepEqual, equal, ok } from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { packagedExtension } from "./packaged.ts";
import { writeSettings } from "./server.ts";
import { toasts, until } from "./trouble.ts";
import { Workbench } from "./workbench.ts";

/* Settings of a workspace that nobody trusts, settings that make no sense, and none at all. */

describe("settings that cannot be followed, in a real workbench", () => {
  let own: string;
  let theirs: string;
  let workspace: string;
  let state: string;
  let foreignState: string;
  let configuration: string;
  let foreign: string;
  let workbench: Workbench;

  before(async function () {
    this.timeout(180_000);
    own = makeStaleLibrary("a", "b");
    theirs = makeStaleLibrary("c", "d");
    foreign = makeStaleLibrary("e");
    state = makePlace("state");
    foreignState = join(makePlace("foreign"), "state");
    workspace = makePlace("workspace");
    configuration = join(makePlace("configuration"), "config.json");
    writeFileSync(configuration, "{}");
    writeSettings(join(workspace, ".vscode"), {
      "cacheOps.libraries": [{ name: "theirs", roots: [theirs] }],
      "cacheOps.keep": ["**"],
      "cacheOps.stateDirectory": foreignState,
      "cacheOps.configurationFile": "/dev/null/no",
      "cacheOps.guards.staleRatio": 1,
    });
    workbench = await Workbench.open({
      folder: workspace,
      vsix: packagedExtension(),
      trust: false,
      machineSettings: { "cacheOps.stateDirectory": state, "cacheOps.configurationFile": configuration },
    });
    await workbench.answerDialog(/trust/i, /No, I don't trust/);
    await workbench.openView("Cache Ops");
  });

  after(async function () {
    this.timeout(30_000);
    await workbench.close();
  });

  const row = (name: string) => workbench.row(name, "Caches");
  const libraries = (value: unknown) => ({ "cacheOps.libraries": value, "cacheOps.guards.staleRatio": 1 });
  const ownSettings = () =>
    JSON.parse(readFileSync(join(workbench.server.home, "data", "Machine", "settings.json"), "utf8")) as object;
  const problem = (text: RegExp) =>
    workbench.step(`see ${text}`, () => workbench.row(text, "Caches").filter({ hasText: text }).waitFor());

  it("those of a workspace that is not trusted are not used: nothing is configured", async function () {
    this.timeout(60_000);
    const welcome = workbench.view("Caches").getByText("Name a media directory to begin");
    await workbench.step("see the welcome", () => welcome.waitFor({ timeout: 30_000 }));
    equal(await row("theirs").count(), 0);
    ok(!existsSync(foreignState));
    deepEqual(await toasts(workbench), []);
    await workbench.screenshot("restricted");
  });

  it("a library that is named by hand is added to the machine's settings and shown", async function () {
    this.timeout(60_000);
    await workbench.runCommand("Cache Ops: Configure Library…");
    await workbench.quickInput.pick(/Type a path or pattern/);
    await workbench.quickInput.opened("Media directory");
    await workbench.quickInput.type("films");
    await workbench.page.getByText("Give an absolute path.").waitFor();
    await workbench.quickInput.type(own);
    await workbench.quickInput.accept();
    await workbench.quickInput.opened("Name of the library");
    await workbench.quickInput.type("not a name!");
    await workbench.page.getByText("Use up to 64 letters").waitFor();
    await workbench.quickInput.type("own");
    await workbench.quickInput.accept();
    await workbench.step("see the library", () => row("own").filter({ hasText: "2 stale" }).waitFor());
    equal(await row("theirs").count(), 0);
    deepEqual(ownSettings(), {
      "cacheOps.stateDirectory": state,
      "cacheOps.configurationFile": configuration,
      "cacheOps.libraries": [{ name: "own", roots: [own] }],
    });
    deepEqual(await toasts(workbench), []);
  });

  it("are used once the workspace is trusted, without a reload; those of the machine stay the machine's", async function () {
    this.timeout(60_000);
    await workbench.runCommand("Workspaces: Manage Workspace Trust");
    await workbench.page.locator(".workspace-trust-editor a.monaco-button", { hasText: /^Trust$/ }).click();
    await workbench.page.getByText("You trust this folder").click();
    await workbench.page.keyboard.press("Escape");
    await workbench.step("see the workspace's library", () => row("theirs").waitFor());
    await row("own").waitFor();
    await workbench.runCommand("Cache Ops: Clean Up…");
    await workbench.quickInput.pick(/All libraries/);
    // The workspace keeps everything.
    await workbench.toast("nothing to do");
    equal((await toasts(workbench)).length, 1);
    ok(!existsSync(foreignState));
  });

  it("that make no sense are said in the tree, and hurt nothing once they are corrected", async function () {
    this.timeout(90_000);
    await workbench.dismissToasts();
    for (const [bad, said] of [
      [[{ name: "theirs", roots: ["films"] }], /"films" is not an absolute path|films/],
      [[{ name: "not a name!", roots: [theirs] }], /libraries.*name/],
    ] as const) {
      writeSettings(join(workspace, ".vscode"), libraries(bad));
      await problem(said);
      deepEqual(await toasts(workbench), []);
      writeSettings(join(workspace, ".vscode"), libraries([{ name: "theirs", roots: [theirs] }]));
      await row("theirs").filter({ hasText: "2 stale" }).waitFor();
      await row("own").filter({ hasText: "2 stale" }).waitFor();
    }
  });

  it("a configuration file that is no JSON is said once, and read again when it was corrected", async function () {
    this.timeout(60_000);
    writeFileSync(configuration, "{ libraries");
    await workbench.runCommand("Cache Ops: Check");
    await workbench.toast(/is not JSON.*Correct the file/);
    equal((await toasts(workbench)).length, 1);
    await workbench.dismissToasts();
    writeFileSync(configuration, JSON.stringify({ libraries: [{ name: "shared", roots: [foreign] }] }));
    await workbench.runCommand("Cache Ops: Check");
    await workbench.step("see its library", () => row("shared").filter({ hasText: "1 stale" }).waitFor());
    await row("own").filter({ hasText: "2 stale" }).waitFor();
  });

  it("a guard is set by the machine alone, and passed over for one plan by typing its name", async function () {
    this.timeout(90_000);
    for (const directory of ["a", "b"]) {
      for (const name of readdirSync(join(own, directory)))
        if (name.endsWith(".mkv")) rmSync(join(own, directory, name));
    }
    const before = treeState(own);
    await workbench.dismissToasts();
    await workbench.runCommand("Cache Ops: Clean Up…");
    await workbench.quickInput.pick(/^\s*own$/);
    const guard = workbench.row(/^Blocked: so many entries have lost their media/, "Review");
    await workbench.step("see the guard", () => guard.waitFor());
    await workbench.toast(/blocked.*Check that every disk of the library is mounted/);
    equal((await toasts(workbench)).length, 1);
    await workbench.dismissToasts();
    await workbench.view("Review").hover();
    const apply = workbench.view("Review").locator('.pane-header a[aria-label^="Apply This Plan"]');
    equal(await apply.getAttribute("aria-disabled"), "true");
    await workbench.rowAction(/^Blocked: so many/, "Pass Over This Guard", "Review");
    await workbench.quickInput.type("yes");
    await workbench.page.getByText("Type stale_ratio.", { exact: false }).last().waitFor();
    await workbench.quickInput.accept();
    await workbench.quickInput.type("stale_ratio");
    await workbench.quickInput.accept();
    const message = workbench.view("Review").locator(".message", { hasText: "Would remove 6 entries in 2 caches" });
    await workbench.step("see the new plan", () => message.waitFor());
    deepEqual(treeState(own), before);
    await workbench.viewAction("Review", "Apply This Plan");
    await workbench.answerToast(/Done and verified: 6 entries changed in 2 caches/, "Undo");
    await until(
      "the undo",
      () => treeState(own),
      (now) => isDeepStrictEqual(now, before),
      60_000,
    );
  });
});
