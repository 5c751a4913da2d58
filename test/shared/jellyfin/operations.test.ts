import assert from "node:assert/strict";

import { invoke, operations, type Context, type ErrorCode } from "../../../shared/index.ts";
import { clear } from "../../../shared/operations/clear.ts";
import { jellyfin as show } from "../../../shared/operations/jellyfin.ts";
import { secretFrom } from "../../../shared/secret.ts";
import { asked, makeJellyfinContext } from "../../support/jellyfin-context.ts";
import { makeJellyfin, USER_KEY, type Fault, type Jellyfin } from "../../support/jellyfin.ts";
import { makeContext } from "../../support/context.ts";
import { applyById, failsWith } from "../../support/runs.ts";

const SERIES = { section: ["series"] };
const planned = (context: Context, input: Record<string, unknown> = {}) =>
  invoke(clear, { detail: "full", ...input }, context);

/** Two servers, of which the second is called cabin. */
function twoServers(): { readonly home: Jellyfin; readonly cabin: Jellyfin } {
  const servers = { home: makeJellyfin(), cabin: makeJellyfin({ version: "12.0.0" }) };
  servers.cabin.exchange();
  return servers;
}

describe("the guards of a plan to clear", () => {
  const guards: readonly (readonly [string, (jellyfin: Jellyfin) => void, string])[] = [
    ["provider_down", ({ provider }) => void (provider.isUp = false), "no answer"],
    ["provider_down", ({ provider }) => void (provider.account = "Exp\u202eired"), "Exp\\u{202e}ired"],
    ["provider_empty", ({ provider }) => void (provider.categories = []), "0 categories, 0 items"],
  ];
  for (const [guard, change, observed] of guards) {
    it(`block it by ${guard} (${observed}); nobody can allow that, and it cannot be applied`, async () => {
      const home = makeJellyfin();
      const context = makeJellyfinContext({ home });
      change(home);
      const plan = await planned(context, { ...SERIES, allow: ["provider_shrunk", "unknown_version"] });
      assert.deepEqual([plan.status, plan.changes, clear.outcome(plan)], ["blocked", [], "blocked"]);
      const [block] = plan.blocked;
      assert.deepEqual(
        [block?.guard, block?.path, block?.observed, block?.override],
        [guard, "home/series", observed, null],
      );
      await assert.rejects(applyById(context, plan.plan), failsWith("blocked"));
      await assert.rejects(planned(context, { allow: [guard] }), failsWith("invalid_input", /allowed|must be one of/));
      assert.deepEqual(asked(home), []);
    });
  }

  it("hold it against what was there when a section was last filled in full, and can be passed over once", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    const plans = async (input = {}) => planned(context, { ...SERIES, ...input });
    await applyById(context, (await plans()).plan);
    home.provider.categories = [4];
    const [block] = (await plans()).blocked;
    assert.deepEqual(
      [block?.guard, block?.observed, block?.threshold, block?.override],
      ["provider_shrunk", "1 of 3 categories", 0.5, "provider_shrunk"],
    );
    const allowed = await plans({ allow: ["provider_shrunk"] });
    assert.equal(allowed.status, "ready");
    // A plan that is not applied changes no measure.
    assert.equal((await plans()).status, "blocked");
    assert.equal((await applyById(context, allowed.plan)).status, "complete");
    assert.equal((await plans()).status, "ready");
  });

  it("know a server by its id: another one at the same address is held against nothing", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    await applyById(context, (await planned(context, SERIES)).plan);
    home.provider.categories = [4];
    home.exchange();
    assert.equal((await planned(context, SERIES)).status, "ready");
  });

  it("stop a version that is not known, unless that is allowed", async () => {
    const home = makeJellyfin({ version: "9.9.9" });
    const context = makeJellyfinContext({ home });
    const { blocked } = await planned(context);
    assert.deepEqual(
      blocked.map(({ path, override }) => [path, override]),
      [["home", "unknown_version"]],
    );
    assert.equal((await planned(context, { allow: ["unknown_version"] })).status, "ready");
  });

  it("on one server stop the plan for all of them, and say that each can be planned by itself", async () => {
    const servers = twoServers();
    const context = makeJellyfinContext(servers);
    servers.cabin.provider.isUp = false;
    const both = await planned(context);
    assert.equal(both.status, "blocked");
    assert.ok(
      both.blocked.every(
        ({ path, advice }) => path.startsWith("cabin/") && /plan what is in order by itself/.test(advice),
      ),
    );
    await assert.rejects(applyById(context, both.plan), failsWith("blocked"));
    assert.deepEqual([asked(servers.home), asked(servers.cabin)], [[], []]);
    const one = await planned(context, { server: ["home"] });
    assert.equal((await applyById(context, one.plan)).status, "complete");
    assert.deepEqual(asked(servers.cabin), []);
  });
});

describe("a server that cannot be looked at", () => {
  const troubles: readonly (readonly [string, Fault | "no key" | "a user's key", code: ErrorCode, message: RegExp])[] =
    [
      ["is down", "reset", "unavailable", /ECONNRESET/],
      ["does not answer", "hang", "unavailable", /System\/Info: .*timeout/],
      ["starts", "503", "unavailable", /not ready/],
      ["has withdrawn the key", "401", "forbidden", /API key \(401\)/],
      ["takes the key for one of a user", "a user's key", "forbidden", /\(403\)/],
      ["has no key here", "no key", "forbidden", /there is no API key/],
    ];
  for (const [what, fault, code, message] of troubles) {
    const scene = () => {
      const servers = twoServers();
      const tokens = fault === "no key" ? { cabin: undefined } : fault === "a user's key" ? { cabin: USER_KEY } : {};
      if (fault !== "no key" && fault !== "a user's key") servers.cabin.fail(() => fault);
      return { servers, context: makeJellyfinContext(servers, { tokens }) };
    };

    it(`because it ${what} is named with what to check, and the others are shown`, async () => {
      const { context } = scene();
      const result = await invoke(show, {}, context);
      assert.deepEqual([result.servers.map(({ server }) => server), show.outcome(result)], [["home"], "partial"]);
      assert.deepEqual([result.errors[0]?.path, result.errors[0]?.code], ["cabin", code]);
      assert.match(result.errors[0]?.message ?? "", message);
      assert.match(
        result.errors[0]?.message ?? "",
        /http:\/\/cabin\.local:8096|CACHE_OPS_JELLYFIN_CABIN_TOKEN|an API key/,
      );
      const alone = await invoke(show, { server: ["cabin"] }, context);
      assert.deepEqual([alone.servers, show.outcome(alone)], [[], code]);
      assert.match(show.view(alone).notes.join("\n"), message);
    });

    it(`because it ${what} leaves the others to be cleared; alone it cannot be planned`, async () => {
      const { context, servers } = scene();
      const plan = await planned(context, { task: ["CleanLogFiles"] });
      assert.deepEqual([plan.entries, plan.errors.map((error) => error.code)], [1, [code]]);
      assert.equal((await applyById(context, plan.plan)).status, "complete");
      assert.deepEqual(asked(servers.cabin), []);
      await assert.rejects(planned(context, { server: ["cabin"] }), failsWith(code, message));
    });
  }

  it("in the middle of a run leaves its own steps, and the others are done", async () => {
    const servers = twoServers();
    const context = makeJellyfinContext(servers);
    const { plan } = await planned(context, SERIES);
    servers.cabin.fail(() => "hang");
    const report = await applyById(context, plan);
    assert.equal(report.status, "partial");
    assert.deepEqual(
      report.outcomes?.map(({ change, outcome }) => [change.cache, outcome]),
      [
        ["home/series", "done"],
        ["cabin/series", "refused"],
      ],
    );
    assert.equal(report.refused[0]?.code, "unavailable");
  });

  it("like all others is named with them, and nothing is planned", async () => {
    const servers = twoServers();
    const context = makeJellyfinContext(servers);
    for (const { fail } of Object.values(servers)) fail(() => "reset");
    await assert.rejects(planned(context), failsWith("unavailable", /server home, .*; Jellyfin server cabin, /));
  });

  it("because its key cannot be read is trouble of that server alone", async () => {
    const context = makeJellyfinContext(twoServers());
    const { jellyfin } = context;
    assert.ok(jellyfin);
    const token = async (name: string) =>
      name === "home" ? jellyfin.token(name) : secretFrom({ X_FILE: "/nowhere/at/all" }, "X");
    const { servers, errors } = await invoke(show, {}, { ...context, jellyfin: { ...jellyfin, token } });
    assert.deepEqual([servers.length, errors[0]?.code], [1, "invalid_input"]);
  });

  it("because there is no way to one from here is named as that", async () => {
    const config = { jellyfin: [{ name: "home", url: "http://home.local:8096" }] };
    const result = await invoke(show, {}, makeContext({ config }));
    assert.deepEqual([show.outcome(result), result.errors[0]?.code], ["unavailable", "unavailable"]);
    assert.match(result.errors[0]?.message ?? "", /cannot be reached from this program/);
  });

  it("because nobody configured it is not found", async () => {
    await assert.rejects(invoke(show, {}, makeContext()), failsWith("not_found", /no Jellyfin server is configured/));
    const context = makeJellyfinContext(twoServers());
    await assert.rejects(planned(context, { server: ["h\u202eome"] }), failsWith("not_found", /"h\\u\{202e\}ome"/));
  });
});

describe("the look at Jellyfin servers", () => {
  it("shows sections and the tasks that can be run here, and asks for nothing", async () => {
    const home = makeJellyfin();
    const { servers } = await invoke(show, {}, makeJellyfinContext({ home }));
    assert.deepEqual(
      servers[0]?.sections.map(({ section, lastCleared }) => [section, lastCleared]),
      [
        ["series", null],
        ["vod", null],
      ],
    );
    assert.deepEqual(servers[0]?.tasks.map(({ key }) => key).toSorted(), [
      "CleanActivityLog",
      "CleanLogFiles",
      "DeleteCacheFiles",
      "DeleteTranscodeFiles",
      "OptimizeDatabaseTask",
    ]);
    assert.deepEqual(servers[0]?.counts, { movies: 120, series: 40, episodes: 900 });
    assert.deepEqual(servers[0]?.cacheRoom, { path: "/cache", freeBytes: 5_000, usedBytes: 7_000 });
    assert.deepEqual(asked(home), []);
  });

  it("shows how far a refill is, in the words of the plugin", async () => {
    const home = makeJellyfin();
    home.sections.Series.begin(true);
    const result = await invoke(show, {}, makeJellyfinContext({ home }));
    assert.equal(result.servers[0]?.sections[0]?.progress, 0.1);
    assert.deepEqual(show.view(result).table.rows[0], [
      "home",
      "series",
      "10 % Fetching categories...",
      "2026-11-21 08:05",
      "never",
    ]);
  });

  it("says of a server without the plugin that there is no channel cache", async () => {
    const result = await invoke(show, {}, makeJellyfinContext({ home: makeJellyfin({ plugin: "none" }) }));
    assert.deepEqual(result.servers[0]?.sections, []);
    assert.match(show.view(result).notes.join("\n"), /^home: the Xtream plugin is not installed/);
    assert.equal(show.outcome(result), "ok");
  });
});

describe("the task that removes what people watched", () => {
  it("cannot be asked for by any operation", async () => {
    const home = makeJellyfin();
    const context = makeJellyfinContext({ home });
    await assert.rejects(
      planned(context, { task: ["CleanupUserDataTask"] }),
      failsWith("invalid_input", /must be one of/),
    );
    const schemas = JSON.stringify(operations.map(({ input, output }) => [input, output]));
    assert.ok(!schemas.includes("CleanupUserDataTask"));
    assert.deepEqual(home.seen, []);
  });
});
