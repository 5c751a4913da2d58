import { deepEqual, equal, match } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { clearInterval, setInterval } from "node:timers";

import { prepareDocker } from "../support/docker.ts";
import { KEY, makeJellyfin } from "../support/jellyfin.ts";
import { engineLine, startOrchestrator, streamLine, type StandIn } from "../support/orchestrator.ts";
import { makePlace } from "../support/place.ts";
import { packagedExtension } from "./packaged.ts";
import { Workbench } from "./workbench.ts";

/* Engine caches and a Jellyfin server in a real workbench, over a real dockerd: sections, plans with review, the key. */

const CACHE = "/root/.ACEStream/.acestream_cache";

describe("engines and servers in a real workbench", () => {
  const docker = prepareDocker();
  const jellyfin = makeJellyfin({ refreshMs: 6000 });
  let [state, folder] = ["", ""];
  let orchestrator: StandIn;
  let served: Awaited<ReturnType<typeof jellyfin.serve>>;
  let time: NodeJS.Timeout;
  let workbench: Workbench;

  before(async function () {
    this.timeout(180_000);
    [state, folder] = [makePlace("state"), makePlace("folder")];
    orchestrator = await startOrchestrator();
    served = await jellyfin.serve();
    time = setInterval(() => jellyfin.advance(100), 100);
    workbench = await Workbench.open({
      folder,
      vsix: packagedExtension(),
      machineSettings: {
        "cacheOps.stateDirectory": state,
        "cacheOps.engines": [
          { name: "ace", socket: docker.socket, orchestrator: { url: orchestrator.url }, grace: "2s", poll: "1s" },
          { name: "down", socket: join(folder, "no-docker.sock") },
        ],
        "cacheOps.jellyfin": [{ name: "home", url: served.url, poll: "1s" }],
      },
    });
    await workbench.openView("Cache Ops");
    await workbench.step("see the tree", () => row("ace").waitFor({ timeout: 30_000 }));
    // VS Code draws a new tree twice; a click in between is lost.
    await workbench.page.waitForTimeout(1000);
  });

  after(async function () {
    this.timeout(30_000);
    clearInterval(time);
    served.close();
    await workbench.close();
  });

  /** As a person does: takes a menu once the list stands still. */
  const menu = async (label: string, entry: string) => {
    await workbench.page.waitForTimeout(1000);
    await workbench.rowMenu(label, entry, "Caches");
  };
  const row = (label: string | RegExp, view = "Caches") => workbench.row(label, view);
  const see = (label: string | RegExp, text: RegExp, view = "Caches") =>
    workbench.step(`see ${text}`, () => row(label, view).filter({ hasText: text }).waitFor({ timeout: 20_000 }));
  const message = () => workbench.view("Review").locator(".message");
  const seeReview = (text: RegExp) =>
    workbench.step("see the review", () => message().filter({ hasText: text }).waitFor({ timeout: 60_000 }));
  const tooltipOf = (label: string) => row(label).locator(".monaco-icon-label").getAttribute("aria-label");
  const startEngine = (name: string) => {
    const id = docker.start(name, "--label", "ondemand.app=myservice");
    docker.inside(name, "mkdir", "-p", CACHE);
    docker.inside(name, "dd", "if=/dev/zero", `of=${CACHE}/video`, "bs=1048576", "count=10");
    return id;
  };
  const left = (name: string) => docker.inside(name, "ls", CACHE).trim();

  it("have a closed section each, and nobody is asked before it is opened", async () => {
    for (const label of ["ace", "down", "home"]) {
      equal(await row(label).getAttribute("aria-expanded"), "false");
      await see(label, new RegExp(`^\\s*${label}\\s*$`));
    }
    deepEqual([orchestrator.asked, jellyfin.seen], [[], []]);
  });

  it("show an engine that is down in one row, with what to check, and hold up nothing else", async () => {
    await workbench.expand("down", "Caches");
    await see(/no-docker\.sock/, /container engine/);
    await see("down", /cannot be looked at/);
  });

  it("empty the caches of idle engines by a plan that is reviewed, and leave the busy one alone", async function () {
    this.timeout(180_000);
    const [idle, busy] = [startEngine("engine-1"), startEngine("engine-2")];
    orchestrator.engines = [engineLine(idle), engineLine(busy)];
    orchestrator.streams = [streamLine("abc", "started", busy)];
    await workbench.expand("ace", "Caches");
    await see("engine-1", /^\s*engine-1\s*Cache Cleanup: Never · Cache Size: 10\.00 MB/);
    await see("engine-2", /busy, 1 stream · Cache Cleanup: Never · Cache Size: 10\.00 MB · stream abc \(started\)/);
    await see("ace", /2 caches · 20\.00 MB · 1 busy/);
    match((await tooltipOf("engine-2")) ?? "", /\.acestream_cache[^]*in use and left alone: stream abc/);
    await workbench.screenshot("engines-dark");
    await menu("ace", "Empty…");
    await seeReview(/Nothing was changed yet/);
    match(await message().innerText(), /empty 1 cache in an idle container[^]*cannot be undone[^]*Frees 10\.00 MB/);
    await workbench.reveal("engine-1", "Review");
    await see("engine-1", /EMPTIED FOR GOOD · 10\.00 MB · idle/, "Review");
    await workbench.screenshot("engines-review-dark");
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.answerDialog(/Empty for good\?[^]*cannot be undone/, "Cancel");
    deepEqual([left("engine-1"), left("engine-2")], ["video", "video"]);
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.answerDialog(/Empty for good\?/, "Empty");
    await workbench.toast(/Done and verified/);
    deepEqual([left("engine-1"), left("engine-2")], ["", "video"]);
    await see("engine-1", /empty · Cache Cleanup: Just now · Cache Size: 0 B/);
    match((await tooltipOf("engine-1")) ?? "", /there were 10\.00 MB in it[^]*Emptied 1 time/);
    await workbench.screenshot("engines-emptied-dark");
    await workbench.dismissToasts();
    await menu("ace", "Empty…");
    await workbench.toast(/nothing to do[^]*engine-2: It is in use now: busy: stream abc/);
  });

  it("ask for a server's key, keep it to themselves, and show what is on the server", async function () {
    this.timeout(90_000);
    await workbench.dismissToasts();
    await workbench.expand("home", "Caches");
    await see(/there is no API key for the Jellyfin server home/, /./);
    await menu("home", "Set API Key of a Jellyfin Server…");
    await workbench.quickInput.type(KEY);
    await workbench.quickInput.accept();
    await workbench.toast(/There is an API key for home now/);
    await see("Xtream series", /populated · refreshed/);
    await see("Xtream VOD", /populated/);
    await see("Items", /120 movies, 40 series, 900 episodes/);
    await see("home", /10\.11\.5/);
    await workbench.dismissToasts();
    await workbench.screenshot("jellyfin-dark");
    const token = encodeURIComponent(KEY);
    const files = [workbench.server.home, state].flatMap((place) =>
      readdirSync(place, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name)),
    );
    const leaking = files.filter((file) => [KEY, token].some((text) => readFileSync(file).includes(text)));
    deepEqual(leaking, []);
  });

  it("clear and refill a channel cache by a plan that is reviewed, after a question, and prove it", async function () {
    this.timeout(120_000);
    await menu("Xtream series", "Clear and Refill…");
    await seeReview(/Nothing was changed yet/);
    match(await message().innerText(), /clear 1 channel cache[^]*cannot be undone[^]*What it frees is not known/);
    await workbench.reveal("series", "Review");
    await see("series", /cleared, then filled again/, "Review");
    await workbench.screenshot("jellyfin-review-dark");
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.answerDialog(/Clear for good\?/, "Cancel");
    deepEqual(jellyfin.sections.Series.clears, []);
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.answerDialog(/Clear for good\?/, "Clear");
    await workbench.screenshot("jellyfin-progress-dark");
    await workbench.toast(/Done and verified/);
    deepEqual([jellyfin.sections.Series.clears.length, jellyfin.sections.Vod.clears.length], [1, 0]);
    equal(jellyfin.sections.Series.content(), "full");
    await see("Xtream series", /populated · refreshed/);
    match((await tooltipOf("Xtream series")) ?? "", /Cleared by Cache Ops: Just now/);
  });

  it("run a cleanup task, and look as well in the light theme", async function () {
    this.timeout(120_000);
    await workbench.dismissToasts();
    await workbench.reveal("Datenbank optimieren", "Caches");
    await menu("Datenbank optimieren", "Run This Task…");
    await seeReview(/run 1 cleanup task/);
    await workbench.runCommand("Cache Ops: Apply This Plan");
    await workbench.toast(/Done and verified/);
    await workbench.dismissToasts();
    await workbench.runCommand("Cache Ops: Clear Jellyfin Caches…");
    match((await workbench.quickInput.items()).join(), /All Jellyfin servers,\s*home,\s*With options…/);
    await workbench.quickInput.cancel();
    await workbench.setTheme("light");
    await workbench.screenshot("remotes-light");
  });
});
