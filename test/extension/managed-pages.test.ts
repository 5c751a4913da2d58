import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeDesk } from "../../extension/worker/desk.ts";
import { handlers } from "../../extension/worker/handlers.ts";
import { withManagedStore } from "../../shared/caches/managed/open.ts";
import { openUsageHistory, type Context } from "../../shared/index.ts";
import { fill, managedContext, managedSettings } from "../shared/managed/managed-place.ts";
import { makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";

const DAY_MS = 86_400_000;
const { managed, quarantined, invoke, plan, changes, dashboard } = handlers;

/** A cache of three directories, 2500 of 2700 bytes in use, so that the one that was unused for longest is to go. */
async function makeCache(parts: Parameters<typeof managedSettings>[1] = {}) {
  const root = makePlace("downloads");
  for (const [index, name] of ["Old", "Mid", "New"].entries()) {
    fill(root, `${name}/film.mkv`, index === 0 ? 500 : 1000, (9 - index) * 86_400);
  }
  const cache = managedSettings(root, { maxBytes: 2700, ...parts });
  const context = managedContext([cache]);
  await ask(context, "reconcile", {});
  return { root, cache, context };
}

async function ask(context: Context, operation: string, input: Record<string, unknown>) {
  return (await invoke({ operation, input }, context, makeDesk())).output;
}

const pageOf = (context: Context, page = { offset: 0, limit: 10 }) =>
  managed({ cache: "media", ...page }, context, makeDesk());

describe("the editor's pages of managed caches", () => {
  it("list the directories longest unused first, and mark those that would go now with why", async () => {
    const { context } = await makeCache();
    const { total, rows, due, figures } = await pageOf(context);
    assert.deepEqual(
      rows.map(({ path, due: why }) => [path, why]),
      [
        ["Old", "over_quota"],
        ["Mid", null],
        ["New", null],
      ],
    );
    assert.deepEqual([total, due], [3, { directories: 1, bytes: 500 }]);
    assert.deepEqual([figures.totals.bytes, figures.quarantined, figures.cache.name], [2500, 0, "media"]);
    assert.ok(figures.disk.size > figures.disk.free);
    const second = await pageOf(context, { offset: 1, limit: 1 });
    assert.deepEqual([second.rows.map(({ path }) => path), second.total], [["Mid"], 3]);
  });

  it("mark neither what is pinned nor what a pattern keeps, and take the next one instead", async () => {
    const { context } = await makeCache({ keep: ["Mid"] });
    await ask(context, "pin", { path: "Old" });
    const { rows } = await pageOf(context);
    assert.deepEqual(
      rows.map(({ path, due, isPinned }) => [path, due, isPinned]),
      [
        ["Old", null, true],
        ["Mid", null, false],
        ["New", "over_quota", false],
      ],
    );
  });

  it("mark what has expired before what the quota takes", async () => {
    const { context, cache } = await makeCache({ ttl: "1d" });
    await withManagedStore(cache, context, (store) => store.touch("New", context.now() - 2 * DAY_MS));
    const later: Context = { ...context, now: () => Date.now() + 2 * DAY_MS };
    const { rows } = await pageOf(later);
    assert.deepEqual(
      rows.map(({ due }) => due),
      ["expired", "expired", "expired"],
    );
  });

  it("say what lies in the quarantine, how large it is, until when it can be put back and by which run it came", async () => {
    const { root, context } = await makeCache();
    const { plan: id } = (await ask(context, "evict", {})) as { plan: string };
    const { run } = (await ask(context, "apply", { plan: id })) as { run: string };
    mkdirSync(join(root, ".cache-ops-quarantine", "0123abcd-Stranger"), { recursive: true });
    writeFileSync(join(root, ".cache-ops-quarantine", "0123abcd-Stranger", "x"), "12345");
    const rows = await quarantined({ cache: "media" }, context, makeDesk());
    assert.deepEqual(
      rows.map(({ path, bytes, run: by }) => [path, bytes, by]),
      [
        ["Old", 500, run],
        ["Stranger", 5, null],
      ],
    );
    for (const { movedAt, keptUntil } of rows) assert.equal(keptUntil - movedAt, DAY_MS);
    assert.equal((await pageOf(context)).figures.quarantined, 2);
  });

  it("forecast when the quota is used up, where the service noted days", async () => {
    const { context } = await makeCache();
    assert.equal((await pageOf(context)).figures.daysUntilFull, null);
    const history = openUsageHistory(context.stateDirectory ?? "");
    for (const [days, bytes] of [
      [3, 2200],
      [2, 2300],
      [1, 2400],
    ] as const) {
      history.note("media", bytes, Date.now() - days * DAY_MS);
    }
    history.close();
    assert.equal((await pageOf(context)).figures.daysUntilFull, 2);
  });

  it("fail with what to do when the root is gone or the name is not configured, and the dashboard says so", async () => {
    const { root, context } = await makeCache();
    await assert.rejects(
      managed({ cache: "music", offset: 0, limit: 1 }, context, makeDesk()),
      failsWith("not_found", /music/),
    );
    rmSync(root, { recursive: true });
    await assert.rejects(pageOf(context), failsWith("not_found", /does not exist/));
    const { managed: shown = [] } = await dashboard({}, context, makeDesk());
    assert.match(JSON.stringify(shown[0]?.use), /does not exist/);
  });
});

describe("the review of an eviction", () => {
  it("has one group a managed cache, called by its name, and tells quarantine and for good apart", async () => {
    const { context, root } = await makeCache();
    const soft = (await ask(context, "evict", {})) as { plan: string };
    const desk = makeDesk();
    const overview = await plan({ plan: soft.plan, offset: 0, limit: 10 }, context, desk);
    assert.deepEqual(overview.groups.rows, [
      { cache: root, label: "media", ids: [1], bytes: 0, quarantinedBytes: 500, kind: "managed" },
    ]);
    assert.deepEqual(
      [overview.bytes, overview.quarantinedBytes, overview.forGood],
      [0, 500, { directories: 0, bytes: 0 }],
    );
    const [change] = await changes({ plan: soft.plan, ids: [1] }, context, desk);
    assert.deepEqual([change?.does, change?.tracked?.path], ["evict", "Old"]);
    const hard = (await ask(context, "evict", { urgent: true, paths: ["Mid"] })) as { plan: string };
    const other = await plan({ plan: hard.plan, offset: 0, limit: 10 }, context, desk);
    assert.deepEqual(other.forGood, { directories: 1, bytes: 1000 });
    assert.deepEqual([other.bytes, other.quarantinedBytes], [1000, 0]);
  });

  it("takes only what stayed checked, and leaves the other directory where it is", async () => {
    const { context, root } = await makeCache({ maxBytes: 1500 });
    const both = (await ask(context, "evict", { detail: "full" })) as { plan: string; changes: { id: number }[] };
    assert.equal(both.changes.length, 2);
    const one = (await ask(context, "evict", { from: both.plan, only: [2] })) as { plan: string };
    const overview = await plan({ plan: one.plan, offset: 0, limit: 10 }, context, makeDesk());
    assert.deepEqual([overview.entries, overview.quarantinedBytes], [1, 1000]);
    await ask(context, "apply", { plan: one.plan });
    assert.deepEqual(
      readdirSync(root).filter((name) => !name.startsWith(".")),
      ["New", "Old"],
    );
  });
});

describe("the editor's settings of managed caches and schedules", () => {
  it("add to the configuration file, and one of the same name counts as the settings say", () => {
    const file = join(makePlace("configuration"), "config.json");
    const shared = [
      { name: "films", root: "/srv/films", maxBytes: 5 },
      { name: "music", root: "/srv/music" },
    ];
    const schedules = [{ name: "nightly", cron: "30 3 * * *", operation: "check" }];
    writeFileSync(file, JSON.stringify({ managed: shared, schedules, service: { checkEvery: "1m" } }));
    const desk = makeDesk();
    const { configuration } = desk.configure({
      stateDirectory: makePlace("state"),
      configurationFile: file,
      configuration: {
        managed: [{ name: "films", root: "/mnt/films" }],
        service: { forecastDays: 3 },
      } as never,
    });
    assert.deepEqual(
      configuration.managed.map(({ name, root, maxBytes, policy }) => [name, root, maxBytes, policy]),
      [
        ["music", "/srv/music", undefined, "lru"],
        ["films", "/mnt/films", undefined, "lru"],
      ],
    );
    assert.deepEqual(
      configuration.schedules.map(({ name }) => name),
      ["nightly"],
    );
    assert.deepEqual([configuration.service.checkEvery, configuration.service.forecastDays], ["1m", 3]);
  });
});
