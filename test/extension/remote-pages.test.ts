import assert from "node:assert/strict";
import process from "node:process";

import { makeDesk, type AskEditor } from "../../extension/worker/desk.ts";
import { directoriesOf, filesOf, overviewOf } from "../../extension/worker/plan-pages.ts";
import type { Change, Context, Plan, Run, StoredPlan } from "../../shared/index.ts";
import { draftRemote } from "../../shared/remote.ts";
import { makeContext } from "../support/context.ts";
import { makePlace } from "../support/place.ts";

const common = { entry: null, evidence: [] };
const seen = { startedAt: null, completedAt: null, isPopulated: true };

function emptied(id: number, name: string, size: number): Change {
  const container = { id: "0123456789ab", name, image: "sha256:1", startedAt: "2026-11-21T10:00:00Z" };
  return {
    ...common,
    id,
    does: "empty",
    kind: "engine",
    cache: `ace/${name}:/cache`,
    entry: "/cache",
    name,
    problem: "leftover",
    reason: { rule: "idle", observed: "idle for 2m" },
    container: {
      engine: "ace",
      endpoint: "/run/docker.sock",
      container,
      path: "/cache",
      user: "0",
      seen: { sha256: "0".repeat(64), size, entries: 2 },
    },
  };
}

function cleared(id: number, refills: boolean): Change {
  return {
    ...common,
    id,
    does: "clear",
    kind: "jellyfin",
    cache: "home/series",
    name: "series",
    problem: "expired",
    reason: { rule: "requested", observed: "Completed" },
    jellyfin: {
      does: "clear",
      server: "home",
      serverId: "a",
      section: "series",
      refills,
      seen,
      offer: { categories: 4, items: 12 },
      least: 2,
    },
  };
}

function stored(operation: string, changes: readonly Change[], parts: Partial<Plan> = {}): StoredPlan {
  const { actions, bytes } = draftRemote(changes);
  const plan: Plan = {
    version: 1,
    id: "plan-1",
    operation,
    createdAt: "2026-11-21T12:00:00.000Z",
    expiresAt: "2026-11-22T12:00:00.000Z",
    boot: "1",
    status: "ready",
    passports: [],
    totals: { entries: changes.length, caches: changes.length, bytes, byProblem: {} },
    changes: [...changes],
    actions: [...actions],
    caches: [],
    kept: {},
    skipped: [],
    blocked: [],
    troubles: [],
    ...parts,
  };
  return { plan, digest: "d", run: null };
}

const overview = (plan: StoredPlan) => overviewOf(plan, { offset: 0, limit: 10 }, makeContext());

describe("the review of what lies in containers", () => {
  it("has one group an engine cache, says what is freed, and that nothing of it can be put back", () => {
    const { groups, bytes, losesRemote, acknowledge } = overview(
      stored("empty", [emptied(1, "engine-1", 700), emptied(2, "engine-2", 300)]),
    );
    assert.deepEqual(groups.rows, [
      { cache: "Engine cache ace", label: "ace", ids: [1, 2], bytes: 1000, quarantinedBytes: 0, kind: "engine" },
    ]);
    assert.deepEqual([bytes, losesRemote], [1000, true]);
    assert.match(acknowledge, /cannot be undone/);
  });

  it("names what was left alone, by the rule, with what was observed", () => {
    const busy = {
      cache: "ace/engine-3:/cache",
      entry: "/cache",
      name: "engine-3",
      rule: "busy",
      observed: "busy: stream x",
    };
    const { skipped } = overview(stored("empty", [], { status: "empty", skipped: [busy] }));
    assert.deepEqual(skipped, [
      { rule: "busy", count: 1, examples: [{ what: "engine-3", observed: "busy: stream x" }] },
    ]);
  });

  it("has no file to show before and after, and sends nobody to look at a directory", () => {
    const { plan } = stored("empty", [emptied(1, "engine-1", 700)]);
    assert.equal(filesOf(plan, 10, undefined).total, 0);
    assert.deepEqual(
      directoriesOf({
        work: { actions: plan.actions, changes: plan.changes, passports: [], bytes: 0 },
      } as unknown as Run),
      [],
    );
  });
});

describe("the review of what lies on a server", () => {
  it("has one group a server, and does not say that nothing is freed where nobody knows", () => {
    const { groups, losesRemote } = overview(stored("clear", [cleared(1, true)]));
    assert.deepEqual(groups.rows, [
      { cache: "Jellyfin server home", label: "home", ids: [1], bytes: 0, quarantinedBytes: 0, kind: "jellyfin" },
    ]);
    assert.equal(losesRemote, true);
  });

  it("asks nobody twice about what only fills or tidies", () => {
    const refill: Change = {
      ...cleared(1, true),
      does: "refill",
      jellyfin: {
        does: "refill",
        server: "home",
        serverId: "a",
        section: "series",
        seen,
        offer: { categories: 4, items: 12 },
      },
    };
    assert.equal(overview(stored("clear", [refill])).losesRemote, false);
  });
});

describe("the worker's API key of a Jellyfin server", () => {
  const VARIABLE = "CACHE_OPS_JELLYFIN_HOME_TOKEN";
  const home = { name: "home", url: "http://127.0.0.1:8096/jellyfin" };
  const settingsWith = (jellyfin: readonly object[]) => ({
    stateDirectory: makePlace("state"),
    configurationFile: "",
    configuration: { jellyfin } as never,
  });
  const contextOf = (desk: ReturnType<typeof makeDesk>): Context =>
    desk.context(new AbortController().signal, () => undefined);
  let outside: string | undefined;

  beforeEach(() => {
    outside = process.env[VARIABLE];
    delete process.env[VARIABLE];
  });
  afterEach(() => {
    if (outside === undefined) delete process.env[VARIABLE];
    else process.env[VARIABLE] = outside;
  });

  it("is asked of the editor by address when it is needed, and is in no settings", async () => {
    const asked: unknown[] = [];
    const ask: AskEditor = async (name, params) => {
      asked.push([name, params]);
      return "the key";
    };
    const desk = makeDesk(ask);
    const places = desk.configure(settingsWith([home]));
    process.env[VARIABLE] = "another";
    const context = contextOf(desk);
    assert.deepEqual(asked, []);
    assert.equal(await context.jellyfin?.token("home"), "the key");
    assert.deepEqual(asked, [["jellyfinKey", { url: home.url }]]);
    assert.ok(!JSON.stringify(places).includes("the key"));
    assert.deepEqual(places.keyVariables, { home: VARIABLE });
  });

  it("comes from the environment where the editor has none, and is missing where nobody has one", async () => {
    const desk = makeDesk();
    desk.configure(settingsWith([home]));
    assert.equal(await contextOf(desk).jellyfin?.token("home"), undefined);
    process.env[VARIABLE] = "from outside";
    assert.equal(await contextOf(desk).jellyfin?.token("home"), "from outside");
  });

  it("is not asked for where no such server is configured", async () => {
    const desk = makeDesk(async () => "the key");
    desk.configure(settingsWith([]));
    assert.equal(await contextOf(desk).jellyfin?.token("home"), undefined);
  });
});
