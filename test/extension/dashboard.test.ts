import assert from "node:assert/strict";

import type { Dashboard } from "../../extension/dashboard/figures.ts";
import { toFromPage } from "../../extension/dashboard/messages.ts";
import { askWorker, contextOf, HOSTILE, makeFilms, makeLived, makeRun, MANAGED } from "./dashboard-data.ts";
import { changeTheme, eventually, startPageHost, type PageHost, type ShownPage, type Showing } from "./page-host.ts";
import { THEMES } from "./themes.ts";

const [dark, light] = THEMES;
assert.ok(dark !== undefined && light !== undefined);

describe("the dashboard's figures", () => {
  it("count what lies in healthy libraries, and say of the others why they are not counted", async () => {
    const { dashboard } = await makeLived();
    const states = dashboard.libraries.map(({ library, state }) => [library, state]);
    assert.deepEqual(
      states.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
      [
        ["attic", "missing"],
        ["films", "healthy"],
        ["odd", "healthy"],
        ["series", "healthy"],
      ],
    );
    const sum = (figure: "entries" | "caches") => dashboard.libraries.reduce((all, row) => all + row[figure], 0);
    assert.equal(dashboard.media?.files, sum("entries"));
    assert.equal(
      dashboard.cacheSizes.reduce((all, { count }) => all + count, 0),
      sum("caches"),
    );
    for (const { state, disk } of dashboard.libraries) {
      if (state === "healthy") assert.ok(disk !== null && "size" in disk && disk.size > disk.free);
      else assert.equal(disk, null);
    }
  });

  it("list runs, what was undone and what was put back, as measured", async () => {
    const { dashboard } = await makeLived();
    const [stands, undo, undone] = dashboard.runs;
    assert.ok(stands !== undefined && undo !== undefined && undone !== undefined);
    assert.deepEqual([stands.undoneBy, stands.canUndo, stands.undoes], [null, true, null]);
    assert.deepEqual([undo.undoes, undone.undoneBy], [undone.run, undo.run]);
    assert.ok(undone.reclaimedBytes > 0);
    assert.equal(undo.reclaimedBytes, -undone.reclaimedBytes);
  });

  it("have no media without a library", async () => {
    const { media, libraries, runs } = await askWorker(contextOf({ attic: "/nowhere/attic" }));
    assert.deepEqual([media, libraries.length, runs.length], [null, 1, 0]);
  });
});

describe("the dashboard's messages", () => {
  it("are taken only when they are what a page can say", () => {
    assert.deepEqual(toFromPage({ type: "undo", run: "r1", more: 1 }), { type: "undo", run: "r1" });
    assert.deepEqual(toFromPage({ type: "ready" }), { type: "ready", hasFigures: false });
    for (const odd of [null, "refresh", { type: "undo" }, { type: "undo", run: 7 }, { type: "exec" }, {}])
      assert.equal(toFromPage(odd), undefined);
  });
});

describe("the dashboard's page", () => {
  let host: PageHost;
  let dashboard: Dashboard;
  const pages: ShownPage[] = [];

  before(async () => {
    host = await startPageHost();
    ({ dashboard } = await makeLived());
  });
  afterEach(async () => {
    for (const { page } of pages.splice(0)) await page.close();
  });
  after(() => host.close());

  const show = async (figures: Dashboard | null = dashboard, showing: Partial<Showing> = {}) => {
    const shown = await host.show({ theme: dark, ...showing });
    pages.push(shown);
    if (figures !== null) await shown.tell({ type: "figures", dashboard: figures });
    return shown;
  };
  const text = (shown: ShownPage, selector: string) => shown.page.locator(selector).innerText();

  for (const theme of THEMES) {
    it(`has nothing that axe finds wrong in the theme ${theme.name}, wide and narrow`, async () => {
      for (const width of [1280, 320]) {
        const shown = await show({ ...dashboard, managed: MANAGED }, { theme, width });
        await shown.page.locator("#figures > summary").click();
        await shown.tell({ type: "failed", message: "the worker ended", hint: "Try again." });
        assert.deepEqual(await shown.axe(), []);
        assert.deepEqual([await shown.violations(), shown.errors()], [[], []]);
      }
    });
  }

  it("is bound by its policy: no inline script, no image, no request, and it breaks none of it itself", async () => {
    const shown = await show();
    assert.deepEqual([await shown.violations(), shown.errors()], [[], []]);
    await shown.page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.isHacked = true";
      const image = document.createElement("img");
      image.src = "/dashboard.css?image";
      image.setAttribute("style", "color: red");
      document.body.append(script, image);
      void fetch("/dashboard.css?fetched").catch(() => undefined);
    });
    const broken = await eventually(
      () => shown.violations(),
      (seen) => seen.length >= 4,
    );
    for (const directive of ["script-src-elem", "img-src", "style-src-attr", "connect-src"])
      assert.ok(
        broken.some((line) => line.startsWith(directive)),
        `${directive} of ${broken.join(", ")}`,
      );
    assert.equal(await shown.page.evaluate(() => "isHacked" in globalThis), false);
  });

  it("shows hostile names and values as text", async () => {
    const shown = await show();
    const page = await text(shown, "main");
    assert.ok(page.split(HOSTILE).length > 4, "directory, codec, resolution and HDR type");
    assert.equal(await shown.page.locator("img").count(), 0);
    assert.equal(await shown.page.evaluate(() => "isHacked" in globalThis), false);
  });

  it("says which library is missing, and shows dashes for it instead of zeros", async () => {
    const shown = await show();
    assert.match(await text(shown, "#incomplete"), /attic: \/nowhere\/attic .*does not exist.*None of it is counted/s);
    const row = await shown.page.locator("#libraries tr", { hasText: "attic" }).innerText();
    assert.match(row, /Missing\s+–\s+–\s+–\s+–/);
  });

  it("shows how often the central cache of probe results had the answer", async () => {
    const { page } = await show();
    const tile = page.locator(".tile", { hasText: "Probe cache" });
    assert.match(await tile.innerText(), /1 result\s+50\s?% of 2 requests answered/);
  });

  it("shows quotas of managed caches, with their limits, use and forecast, and nothing where there are none", async () => {
    const without = await show({ ...dashboard, managed: undefined } as unknown as Dashboard);
    assert.equal(await without.page.locator("#managed").count(), 0);
    const shown = await show({ ...dashboard, managed: MANAGED });
    const rows = (await shown.page.locator("#managed tbody tr").allInnerTexts()).map((row) =>
      row.replaceAll(/\s+/g, " "),
    );
    assert.match(
      rows[0] ?? "",
      /downloads .*95% of 10 GB in 12 directories Over 90%: evicts down to 80% 2 directories 50 GB 75% of 40 requests 3, 2 GB 12 days/,
    );
    assert.match(rows[1] ?? "", /spool .*120% of 1 GB .*Over the quota/);
    assert.match(rows[2] ?? "", /lost .*register cannot be reached/);
    assert.equal(await shown.page.locator("#managed img").count(), 0);
    const marks = await shown.page
      .locator("#managed .mark")
      .evaluateAll((all) => all.map((mark) => (mark as HTMLElement).style.insetInlineStart));
    assert.deepEqual(marks, ["80%", "90%", "80%", "90%"]);
  });

  it("counts runs that were undone and what undoing put back", async () => {
    const shown = await show();
    const summary = await text(shown, "#runs > p");
    assert.match(summary, /1 run stands, 1 was undone\./);
    assert.match(summary, /put back by 1 undo\./);
    const table = await text(shown, "#runs > table");
    assert.match(table, /Undo\b.*put back/s);
    assert.match(table, /undone/);
  });

  it("does not count what a run freed that died", async () => {
    const runs = [makeRun("b", { status: "interrupted", reclaimedBytes: 0 }), makeRun("a", { reclaimedBytes: 2000 })];
    const shown = await show({ ...dashboard, runs, hasOlderRuns: true });
    assert.match(
      await text(shown, "#runs > p"),
      /newest 2 runs; older ones are not counted.*2 kB freed.*1 run did not/s,
    );
    assert.match(await text(shown, "#runs > table"), /Run, interrupted\s+–\s+–\s+–\s+Undo/);
  });

  it("sends what its buttons ask for, each of which the keyboard reaches and shows where it is", async () => {
    const shown = await show();
    const stops: string[] = [];
    for (let tries = 0; tries < 40; tries += 1) {
      await shown.page.keyboard.press("Tab");
      const stop = await shown.page.evaluate(() => {
        const { activeElement: active } = document;
        if (active === null || active === document.body) return "";
        const { outlineStyle } = getComputedStyle(active);
        return outlineStyle === "none" ? "no outline" : active.id || active.parentElement?.id || active.tagName;
      });
      if (stop === "") break;
      stops.push(stop);
      if (stop !== "figures") await shown.page.keyboard.press("Enter");
    }
    const controls = await shown.page.locator("button, summary").count();
    const run = dashboard.runs[0]?.run;
    assert.deepEqual(stops, ["refresh", "cleanup", "figures", `undo-${run}`]);
    assert.equal(stops.length, controls);
    assert.deepEqual(await shown.sent(), [
      { type: "ready", hasFigures: false },
      { type: "refresh" },
      { type: "cleanup" },
      { type: "undo", run },
    ]);
  });

  it("keeps focus and open parts when figures come, and goes to the heading when the button is gone", async () => {
    const shown = await show();
    await shown.page.locator("#figures > summary").click();
    await shown.page.locator("#runs td button").focus();
    await shown.tell({ type: "figures", dashboard });
    const focused = () => shown.page.evaluate(() => document.activeElement?.id);
    assert.equal(await focused(), `undo-${dashboard.runs[0]?.run}`);
    assert.equal(await shown.page.locator("#figures").getAttribute("open"), "");
    const runs = dashboard.runs.map((run) => ({ ...run, canUndo: false }));
    await shown.tell({ type: "figures", dashboard: { ...dashboard, runs } });
    assert.equal(await focused(), "runs-title");
  });

  it("announces that it looks and when it is done, and stays where it was after being hidden", async () => {
    const first = await show(null);
    assert.equal(await first.page.locator("main > *").count(), 0);
    await first.tell({ type: "working", text: "walking: 7" });
    assert.equal(await text(first, "#status"), "Looking…");
    await first.page.locator("#refresh").press("Enter");
    assert.deepEqual(await first.sent(), [{ type: "ready", hasFigures: false }], "one look at a time");
    await first.tell({ type: "figures", dashboard });
    assert.equal(await text(first, "#status"), "Up to date.");
    await first.page.mouse.wheel(0, 400);
    const state = await eventually(
      () => first.state(),
      (seen) => (seen as { readonly scrollY: number }).scrollY > 0,
    );
    const again = await show(null, { state });
    assert.deepEqual(await again.sent(), [{ type: "ready", hasFigures: true }]);
    assert.equal(await again.page.evaluate(() => globalThis.scrollY), (state as { readonly scrollY: number }).scrollY);
    assert.equal(await text(again, "main"), await text(first, "main"));
  });

  it("fits a window of 320 pixels, and its charts do", async () => {
    const runs = [makeRun("b", { startedAt: Date.parse("2026-03-04T12:00:00Z") }), makeRun("a")];
    const shown = await show({ ...dashboard, runs, managed: MANAGED }, { width: 320 });
    const widths = () =>
      shown.page.evaluate(() => [
        document.documentElement.scrollWidth,
        ...[...document.querySelectorAll("canvas")].map((canvas) => canvas.getBoundingClientRect().right),
      ]);
    await eventually(widths, (seen) => seen.length === 3 && seen.every((width) => width <= 320));
    await shown.page.setViewportSize({ width: 900, height: 700 });
    await shown.page.setViewportSize({ width: 320, height: 700 });
    await eventually(widths, (seen) => seen.every((width) => width <= 320));
  });

  it("draws its charts anew in the colors of another theme", async () => {
    const shown = await show();
    const pixels = () => shown.page.evaluate(() => document.querySelector("canvas")?.toDataURL());
    const before = await pixels();
    await changeTheme(shown, light);
    await eventually(pixels, (seen) => seen !== before);
    await changeTheme(shown, dark);
    await eventually(pixels, (seen) => seen === before);
  });

  it("writes numbers and times as the editor's language does, and times in full where the pointer rests", async () => {
    const runs = [makeRun("a", { entries: 12345, reclaimedBytes: 1_500_000, startedAt: Date.now() - 2 * 86_400_000 })];
    const english = await show({ ...dashboard, runs });
    assert.match(await text(english, "#runs > table"), /2d ago\s+Run\s+12,345\s+1\s+1\.5 MB/);
    const title = await english.page.locator("#runs time").getAttribute("title");
    assert.match(title ?? "", /20\d\d/);
    const german = await show({ ...dashboard, runs }, { locale: "de" });
    assert.match(await text(german, "#runs > table"), /12\.345\s+1\s+1,5 MB/);
  });

  it("does not move where the reader wants no motion", async () => {
    const shown = await show(dashboard, { reducesMotion: true });
    await shown.tell({ type: "working", text: "" });
    assert.equal(await shown.page.evaluate(() => document.getAnimations().length), 0);
  });

  it("offers to configure a library when there is none, and clean up only when something is stale", async () => {
    const none = await show({ ...dashboard, libraries: [], media: null, runs: [] });
    await none.page.locator("#configure").click();
    assert.deepEqual((await none.sent()).at(-1), { type: "configure" });
    const libraries = dashboard.libraries.map((row) => ({ ...row, stale: 0, byProblem: {} }));
    const clean = await show({ ...dashboard, libraries });
    assert.equal(await clean.page.locator("#cleanup").count(), 0);
    assert.match(await text(clean, "#problems"), /None\./);
  });

  it("is made of figures the worker gave over the fixture alone", async () => {
    const shown = await show(await askWorker(contextOf({ films: makeFilms() })));
    assert.match(await text(shown, "#media"), /h264/);
    assert.equal(await shown.page.locator("#incomplete").count(), 0);
    assert.deepEqual([await shown.axe(), shown.errors()], [[], []]);
  });
});
