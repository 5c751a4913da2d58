import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { invoke, type Context } from "../../../shared/index.ts";
import { clear } from "../../../shared/operations/clear.ts";
import { jellyfin as show } from "../../../shared/operations/jellyfin.ts";
import { asked, makeJellyfinContext } from "../../support/jellyfin-context.ts";
import { makeJellyfin, type Jellyfin, type JellyfinParts } from "../../support/jellyfin.ts";
import { applyById, failsWith, undoById } from "../../support/runs.ts";

const SERIES = { section: ["series"] };

/** Plans with every change listed. */
const planned = (context: Context, input: Record<string, unknown> = {}) =>
  invoke(clear, { detail: "full", ...input }, context);

/** Plans, calls `between`, applies. */
async function cleared(context: Context, input: Record<string, unknown> = {}, between: () => void = () => undefined) {
  const { plan, status, blocked, skipped } = await planned(context, input);
  assert.equal(status, "ready", JSON.stringify({ blocked, skipped }));
  between();
  return applyById(context, plan);
}

/** The steps that are remembered. */
const remembered = (context: Context) =>
  context
    .state()
    .all("SELECT server, does, what, status FROM jellyfin_steps ORDER BY id")
    .map((row) => Object.values(row).join(" "));

const offers = (context: Context) =>
  context
    .state()
    .all("SELECT section, categories, items FROM jellyfin_offers ORDER BY section")
    .map((row) => Object.values(row).join(" "));

describe("a plan to clear Jellyfin caches, applied", () => {
  const lines: readonly JellyfinParts[] = [
    { version: "10.10.7" },
    { version: "10.11.5", basePath: "/jellyfin" },
    { version: "12.0.0", basePath: "/a/b" },
  ];
  for (const parts of lines) {
    it(`clears and refills both sections of ${parts.version} at "${parts.basePath ?? ""}", and proves it`, async () => {
      const home = makeJellyfin(parts);
      const context = makeJellyfinContext({ home });
      const plan = await planned(context);
      assert.deepEqual(
        plan.changes?.map(({ does, kind, cache, name, reason }) => ({ does, kind, cache, name, reason })),
        ["series", "vod"].map((name) => ({
          does: "clear",
          kind: "jellyfin",
          cache: `home/${name}`,
          name,
          reason: { rule: "requested", observed: "Database populated: 12 items" },
        })),
      );
      assert.equal(plan.acknowledge, "clear 2 channel caches in 2 caches under home; cannot be undone");
      assert.deepEqual(asked(home), []);
      const report = await applyById(context, plan.plan);
      assert.deepEqual([report.status, report.entries, report.undoUntil], ["complete", 2, null]);
      assert.deepEqual([home.sections.Series.content(), home.sections.Vod.content()], ["full", "full"]);
      assert.deepEqual(asked(home), [
        "POST /Xtream/SeriesCacheClear",
        "POST /Xtream/SeriesCacheRefresh?fullSync=true",
        "POST /Xtream/VodCacheClear",
        "POST /Xtream/VodCacheRefresh?fullSync=true",
      ]);
      assert.deepEqual(remembered(context), ["home clear series done", "home clear vod done"]);
      assert.deepEqual(offers(context), ["series 3 12", "vod 3 12"]);
      const { servers } = await invoke(show, {}, context);
      assert.ok(servers[0]?.sections.every(({ lastCleared }) => lastCleared?.startsWith("2026-11-21T12:0") === true));
    });
  }

  it("without a refill leaves the section empty, and remembers no offer", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    assert.equal((await cleared(context, { ...SERIES, refill: false })).status, "complete");
    assert.equal(home.sections.Series.content(), undefined);
    assert.deepEqual([asked(home), offers(context)], [["POST /Xtream/SeriesCacheClear"], []]);
  });

  it("fills a section that is empty", async () => {
    const home = makeJellyfin();
    home.sections.Series.empty();
    const context = makeJellyfinContext({ home });
    const { outcomes } = await cleared(context, SERIES);
    assert.deepEqual(
      outcomes?.map(({ change, outcome }) => [change.does, outcome]),
      [["refill", "done"]],
    );
    assert.deepEqual([home.sections.Series.content(), offers(context)], ["full", ["series 3 12"]]);
  });

  it("runs the tasks that are named and nothing else, one after another", async () => {
    const home = makeJellyfin();
    const tasks = ["DeleteCacheFiles", "OptimizeDatabaseTask", "CleanLogFiles"];
    let most = 0;
    home.fail(() => {
      most = Math.max(most, tasks.filter((key) => home.tasks.of(key).state !== "Idle").length);
      return undefined;
    });
    const context = makeJellyfinContext({ home });
    const { status } = await cleared(context, { task: tasks });
    assert.equal(status, "complete");
    assert.deepEqual(
      asked(home),
      tasks.map((key) => `POST /ScheduledTasks/Running/${home.tasks.of(key).id}`),
    );
    assert.equal(most, 1);
    assert.deepEqual(
      remembered(context),
      tasks.map((key) => `home run_task ${key} done`),
    );
  });

  it("of two plans in one process takes the steps on a server one after another", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    const series = await planned(context, SERIES);
    const vod = await planned(context, { section: ["vod"] });
    const reports = await Promise.all([applyById(context, series.plan), applyById(context, vod.plan)]);
    assert.deepEqual(
      reports.map(({ status }) => status),
      ["complete", "complete"],
    );
    assert.deepEqual(
      asked(home).map((line) => /(?:Series|Vod)Cache[A-Z][a-z]+/.exec(line)?.[0]),
      ["SeriesCacheClear", "SeriesCacheRefresh", "VodCacheClear", "VodCacheRefresh"],
    );
  });

  it("holds a lock in the state directory for as long as it works, and no longer", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    const locks = () => readdirSync(join(context.state().directory, "locks"));
    const held: number[] = [];
    await cleared(context, SERIES, () => {
      for (const ms of [2_500, 14_000]) home.after(ms, () => void held.push(locks().length));
    });
    assert.deepEqual([held, locks()], [[1, 1], []]);
  });

  it("tells how far it is in the words of the server", async () => {
    const home = makeJellyfin();
    const told: string[] = [];
    const progress: Context["progress"] = ({ message, done, total }) => void told.push(`${message} ${done}/${total}`);
    await cleared(makeJellyfinContext({ home }, { progress }), SERIES);
    assert.ok(told.includes("home: Fetching categories... 10/100"), told.join("\n"));
  });

  it("can be narrowed to some of its changes", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    const { plan } = await planned(context, { section: ["series", "vod"], task: ["CleanLogFiles"] });
    const narrow = await planned(context, { from: plan, only: [2, 3] });
    assert.deepEqual(
      narrow.changes?.map(({ id, cache }) => [id, cache]),
      [
        [1, "home/vod"],
        [2, "home/CleanLogFiles"],
      ],
    );
    assert.equal((await applyById(context, narrow.plan)).status, "complete");
    assert.equal(home.sections.Series.clears.length, 0);
  });

  it("a second time is not done again: the report is the same", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    const { plan } = await planned(context, SERIES);
    const report = await applyById(context, plan);
    const before = asked(home).length;
    assert.deepEqual(await applyById(context, plan), report);
    assert.equal(asked(home).length, before);
  });

  it("cannot be undone, and says so", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    const { run } = await cleared(context, SERIES);
    const before = asked(home).length;
    await assert.rejects(undoById(context, run), failsWith("not_found", /for good/));
    assert.equal(asked(home).length, before);
  });
});

describe("a plan to clear is refused, and the server is asked for nothing, when", () => {
  const changes: readonly (readonly [string, (jellyfin: Jellyfin) => void, code: string, message: RegExp])[] = [
    ["the section was refreshed since", ({ sections }) => sections.Series.begin(true), "stale_plan", /refreshed or/],
    ["another server answers there", ({ exchange }) => exchange(), "stale_plan", /another server/],
    ["the provider went down", ({ provider }) => void (provider.isUp = false), "unavailable", /TestProvider/],
    ["the provider lost most", ({ provider }) => void (provider.categories = [4]), "blocked", /offers 1 categories/],
    ["the server is down", ({ fail }) => fail(() => "reset"), "unavailable", /ECONNRESET/],
    ["the server does not answer in time", ({ fail }) => fail(() => "hang"), "unavailable", /timeout/],
    ["the key was withdrawn", ({ fail }) => fail(() => "401"), "forbidden", /401/],
    ["the key lost its rights", ({ fail }) => fail(() => "403"), "forbidden", /403/],
  ];
  for (const [what, change, code, message] of changes) {
    it(what, async () => {
      const home = makeJellyfin();
      const context = makeJellyfinContext({ home });
      const report = await cleared(context, SERIES, () => change(home));
      assert.deepEqual([report.status, report.refused.map((one) => one.code)], ["refused", [code]]);
      assert.match(report.refused[0]?.message ?? "", message);
      assert.deepEqual([asked(home), remembered(context)], [[], []]);
    });
  }

  it("the task ran since, or runs", async () => {
    for (const advance of [500, 60_000]) {
      const home = makeJellyfin();
      const report = await cleared(makeJellyfinContext({ home }), { task: ["CleanLogFiles"] }, () => {
        home.tasks.run(home.tasks.of("CleanLogFiles"));
        home.advance(advance);
      });
      assert.deepEqual(report.refused[0]?.code, advance === 500 ? "locked" : "stale_plan");
      assert.deepEqual(asked(home), []);
    }
  });
});
