import assert from "node:assert/strict";

import { CacheOpsError, invoke, openState, type Context } from "../../../shared/index.ts";
import { rememberStep } from "../../../shared/caches/jellyfin/memory.ts";
import { clear } from "../../../shared/operations/clear.ts";
import { jellyfin as show } from "../../../shared/operations/jellyfin.ts";
import { asked, makeJellyfinContext, type JellyfinContextParts } from "../../support/jellyfin-context.ts";
import { makeJellyfin, type Jellyfin, type JellyfinParts } from "../../support/jellyfin.ts";
import { makePlace } from "../../support/place.ts";
import { applyById, failsWith, undoById } from "../../support/runs.ts";

/** Plans to clear the series of a server, calls `between`, applies. */
async function clearSeries(
  home: Jellyfin,
  {
    between = () => undefined,
    ...parts
  }: JellyfinContextParts & { readonly between?: (context: Context) => void } = {},
) {
  const context = makeJellyfinContext({ home }, parts);
  const { plan } = await invoke(clear, { section: ["series"] }, context);
  between(context);
  return { context, plan, report: await applyById(context, plan) };
}

const count = (context: Context, table: string) => context.state().all(`SELECT * FROM ${table}`).length;

describe("a clear that is not done in full", () => {
  const cases: readonly (readonly [
    what: string,
    parts: JellyfinParts,
    between: (jellyfin: Jellyfin) => void,
    message: RegExp,
    isCleared: boolean,
    isFull: boolean,
  ])[] = [
    [
      "the channel task fails",
      { channelEnds: "Failed" },
      () => undefined,
      /^home\/series: trigger failed: RefreshInternetChannels ended as Failed: Zugriff \\u\{202e\}verweigert$/,
      true,
      true,
    ],
    [
      "the refill does not end",
      { refreshMs: 86_400_000 },
      () => undefined,
      /: refill could not be verified: no end of the refill within 2h$/,
      true,
      false,
    ],
    [
      "the clear does nothing",
      { clearLies: true },
      () => undefined,
      /: invalidate could not be verified: /,
      false,
      true,
    ],
    [
      "the provider goes down in the middle of the refill",
      {},
      ({ after, provider }) => after(8_000, () => void (provider.isUp = false)),
      /: refill failed: the refill ended: Failed or cancelled$/,
      true,
      false,
    ],
    [
      "items vanish, and the key is withdrawn then",
      { refreshMs: 60_000 },
      ({ after, fail }) => after(20_000, () => fail(() => "401")),
      /: refill could not be verified: home does not know the API key \(401\); library could not be verified: /,
      true,
      false,
    ],
  ];
  for (const [what, parts, between, message, isCleared, isFull] of cases) {
    it(`because ${what} is partial, and says which part and what was seen`, async () => {
      const home = makeJellyfin(parts);
      const { context, report } = await clearSeries(home, { between: () => between(home) });
      const [refused] = report.refused;
      assert.deepEqual([report.status, report.entries, refused?.code], ["partial", 0, "unavailable"]);
      assert.match(refused?.message ?? "", message);
      assert.equal(count(context, "jellyfin_offers"), isFull ? 1 : 0);
      home.fail(() => undefined);
      const { servers } = await invoke(show, {}, context);
      assert.equal(servers[0]?.sections[0]?.lastCleared !== null, isCleared);
    });
  }

  it("because the server restarts in the middle is filled in full all the same, or says that it is not", async () => {
    for (const second of [1, 4, 9, 16, 23]) {
      const home = makeJellyfin();
      const { report } = await clearSeries(home, { between: () => home.after(second * 1000, home.restart) });
      if (report.status === "complete") assert.equal(home.sections.Series.content(), "full", `after ${second} s`);
      else assert.match(report.refused[0]?.message ?? "", /failed|verified|refreshed or cleared/);
    }
  });

  it("because it was stopped is partial as interrupted, and asks for nothing else", async () => {
    const home = makeJellyfin();
    const { signal, abort } = stoppable();
    const { report } = await clearSeries(home, { signal, between: () => home.after(2_500, abort) });
    assert.equal(report.status, "cancelled");
    assert.deepEqual(
      report.refused.map(({ code }) => code),
      ["interrupted"],
    );
    assert.deepEqual(asked(home), ["POST /Xtream/SeriesCacheClear"]);
  });

  it("because another host took the work over asks for nothing from then on", async () => {
    const home = makeJellyfin();
    let isLost = false;
    const fence = async () => {
      if (isLost) throw new CacheOpsError("locked", "another host took this over");
    };
    const between = () => home.after(2_500, () => void (isLost = true));
    const { report } = await clearSeries(home, { fence, between });
    assert.match(report.refused[0]?.message ?? "", /refill could not be verified: another host took this over/);
    assert.deepEqual(asked(home), ["POST /Xtream/SeriesCacheClear"]);
  });

  it("is partial, too, when it was done and could not be noted", async () => {
    const state = openState(makePlace("state"));
    const between = () => state.write(() => void state.run("DROP TABLE jellyfin_offers"));
    const { report } = await clearSeries(makeJellyfin(), { state: () => state, between });
    assert.equal(report.status, "partial");
    assert.match(report.refused[0]?.message ?? "", /^home\/series: what became of it could not be noted: /);
  });

  it("cannot be undone either", async () => {
    const { context, report } = await clearSeries(makeJellyfin({ channelEnds: "Failed" }));
    await assert.rejects(undoById(context, report.run), failsWith("not_found", /for good/));
  });
});

function stoppable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

describe("a clear whose process died", () => {
  /** Applies until `dies` lets the process die; its owner is dead from then on. */
  async function interrupted(home: Jellyfin, dies: (context: Context) => Context) {
    const context = makeJellyfinContext({ home });
    const { plan } = await invoke(clear, { section: ["series"] }, context);
    await assert.rejects(applyById(dies(context), plan), /the process died/);
    context.state().write(() => context.state().run(`UPDATE runs SET owner = json_set(owner, '$.startedAt', '1')`));
    return { context, plan };
  }
  const died = async () => Promise.reject(new Error("the process died"));

  it("before anything was asked for is taken up again", async () => {
    const home = makeJellyfin();
    const { context, plan } = await interrupted(home, ({ jellyfin, ...context }) => {
      if (jellyfin === undefined) throw new Error("no way to a server");
      let keys = 0;
      // Once to compare, once to perform.
      const token = async (name: string) => (keys++ === 0 ? jellyfin.token(name) : died());
      return { ...context, jellyfin: { ...jellyfin, token } };
    });
    assert.deepEqual(asked(home), []);
    assert.equal((await applyById(context, plan)).status, "complete");
    assert.equal(home.sections.Series.content(), "full");
  });

  it("after the clear is partial: nobody can tell any more who cleared it, and it is not cleared again", async () => {
    const home = makeJellyfin();
    const { context, plan } = await interrupted(home, ({ jellyfin, ...context }) => {
      if (jellyfin === undefined) throw new Error("no way to a server");
      return { ...context, jellyfin: { ...jellyfin, wait: died } };
    });
    assert.deepEqual(asked(home), ["POST /Xtream/SeriesCacheClear"]);
    const report = await applyById(context, plan);
    assert.equal(report.status, "partial");
    assert.match(report.refused[0]?.message ?? "", /interrupted, and how far it came is not known: .* since the plan/);
    assert.deepEqual(asked(home), ["POST /Xtream/SeriesCacheClear"]);
  });

  it("is partial as well while the server cannot be asked", async () => {
    const home = makeJellyfin();
    const { context, plan } = await interrupted(home, ({ jellyfin, ...context }) => {
      if (jellyfin === undefined) throw new Error("no way to a server");
      return { ...context, jellyfin: { ...jellyfin, wait: died } };
    });
    home.fail(() => "reset");
    const report = await applyById(context, plan);
    assert.deepEqual([report.status, report.refused[0]?.code], ["partial", "unavailable"]);
  });
});

describe("the memory of steps", () => {
  it("keeps the newest hundred of each section and task of a server", () => {
    const context = makeJellyfinContext({});
    const outcome = { status: "done", parts: [], counts: { before: null, after: null } } as const;
    const common = { server: "home", serverId: "x", id: "0".repeat(32), lastStartedAt: null } as const;
    for (let at = 0; at < 103; at += 1) {
      rememberStep(context.state(), { does: "run_task", key: "CleanLogFiles", ...common }, outcome, at);
    }
    rememberStep(context.state(), { does: "run_task", key: "DeleteCacheFiles", ...common }, outcome, 0);
    const [logs, files] = ["CleanLogFiles", "DeleteCacheFiles"].map((what) =>
      context.state().get("SELECT count(*) AS count, min(at) AS first FROM jellyfin_steps WHERE what = ?", what),
    );
    assert.deepEqual(
      [{ ...logs }, { ...files }],
      [
        { count: 100, first: 3 },
        { count: 1, first: 0 },
      ],
    );
  });
});
