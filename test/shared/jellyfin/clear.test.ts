import assert from "node:assert/strict";

import { performJellyfin } from "../../../shared/caches/jellyfin/clear.ts";
import type { JellyfinRequest } from "../../../shared/caches/jellyfin/clear-plan.ts";
import { makeJellyfin, type Jellyfin, type JellyfinParts } from "../../support/jellyfin.ts";
import { failsWith } from "../../support/runs.ts";
import { clearOn, linkTo, planOn, serverOf, statesOf } from "./scene.ts";

const DONE = { cancel: "not_needed", invalidate: "done", trigger: "done", refill: "done", library: "done" };

interface Case {
  readonly what: string;
  readonly parts?: JellyfinParts;
  readonly request?: Partial<JellyfinRequest>;
  readonly before?: (jellyfin: Jellyfin) => void;
  readonly between?: (jellyfin: Jellyfin) => void;
  readonly expect: Record<string, string>;
  readonly status?: "done" | "partial";
  /** Runs of the channel task in the end. */
  readonly channelRuns?: number;
}

const running = ({ sections }: Jellyfin) => sections.Series.begin(true);

const cases: readonly Case[] = [
  { what: "a server of 10.10", parts: { version: "10.10.7" }, expect: DONE },
  { what: "a server of 10.11", parts: { version: "10.11.5" }, expect: DONE },
  { what: "a server of 12", parts: { version: "12.0.0" }, expect: DONE },
  { what: "a server that does not say its time", parts: { isTimeless: true }, expect: DONE, channelRuns: 1 },
  {
    what: "no time, no trigger and 204 for nothing",
    parts: { isTimeless: true, silentTrigger: true, lostStarts: 99 },
    expect: { ...DONE, trigger: "failed" },
    status: "partial",
  },
  { what: "a clock of the server that is a day ahead", parts: { skewMs: 86_400_000 }, expect: DONE },
  { what: "a clock of the server that is a day behind", parts: { skewMs: -86_400_000 }, expect: DONE },
  { what: "a running refresh", before: running, expect: { ...DONE, cancel: "done" } },
  {
    what: "a running refresh that a task started",
    before: (jellyfin) => {
      jellyfin.tasks.run(jellyfin.tasks.of("XtreamSeriesCacheRefresh"));
      running(jellyfin);
    },
    expect: { ...DONE, cancel: "done" },
  },
  {
    what: "a cancel too late, after which the refresh says Completed",
    parts: { cancelsLate: true },
    before: running,
    expect: { ...DONE, cancel: "done" },
  },
  {
    what: "a refresh that does not stop",
    parts: { cancelMs: 86_400_000 },
    before: running,
    expect: { ...DONE, cancel: "unverified", invalidate: "unverified", refill: "unverified" },
    status: "partial",
  },
  {
    what: "a refresh that stops after minutes",
    parts: { cancelMs: 200_000 },
    before: running,
    expect: { ...DONE, cancel: "done" },
  },
  { what: "a trigger that does nothing", parts: { silentTrigger: true }, expect: DONE },
  { what: "a trigger that the plugin says failed", parts: { warnsOfTrigger: true }, expect: DONE },
  {
    what: "a trigger that does nothing, and one lost start",
    parts: { silentTrigger: true, lostStarts: 1 },
    expect: DONE,
  },
  {
    what: "no trigger and 204 for nothing",
    parts: { silentTrigger: true, lostStarts: 99 },
    expect: { ...DONE, trigger: "failed" },
    status: "partial",
  },
  {
    what: "a channel task that runs already, which does not count",
    parts: { silentTrigger: true },
    before: ({ tasks, channel }) => tasks.run(channel()),
    expect: DONE,
    channelRuns: 2,
  },
  {
    what: "a channel task that runs already, on a server that does not say its time",
    parts: { silentTrigger: true, isTimeless: true },
    before: ({ tasks, channel }) => tasks.run(channel()),
    expect: DONE,
    channelRuns: 2,
  },
  {
    what: "a channel task that has run for a while",
    parts: { silentTrigger: true, channelMs: 30_000 },
    before: ({ tasks, channel, advance }) => {
      tasks.run(channel());
      advance(10_000);
    },
    channelRuns: 2,
    expect: DONE,
  },
  {
    what: "a channel task that runs already and is queued once more",
    before: ({ tasks, channel }) => tasks.run(channel()),
    expect: DONE,
  },
  { what: "a channel task that takes minutes", parts: { channelMs: 300_000 }, expect: DONE },
  {
    what: "a channel task that does not end",
    parts: { channelMs: 86_400_000 },
    expect: { ...DONE, trigger: "unverified" },
    status: "partial",
  },
  ...(["Failed", "Cancelled", "Aborted"] as const).map((channelEnds) => ({
    what: `a channel task that ends as ${channelEnds}`,
    parts: { channelEnds },
    expect: { ...DONE, trigger: "failed" },
    status: "partial" as const,
  })),
  {
    what: "a clear that says Success and does nothing",
    parts: { clearLies: true },
    expect: { ...DONE, invalidate: "unverified" },
    status: "partial",
  },
  { what: "one refill that is taken on and lost", parts: { lostRefreshes: 1 }, expect: DONE },
  {
    what: "every refill taken on and lost",
    parts: { lostRefreshes: 99 },
    expect: { ...DONE, refill: "failed" },
    status: "partial",
  },
  {
    what: "a refill that fails at its end",
    parts: { refreshFails: true },
    expect: { ...DONE, refill: "failed" },
    status: "partial",
  },
  {
    what: "a refill that does not end",
    parts: { refreshMs: 86_400_000 },
    expect: { ...DONE, refill: "unverified" },
    status: "partial",
  },
  {
    what: "a provider that goes down in the middle of the refill",
    between: ({ after, provider }) => after(8_000, () => void (provider.isUp = false)),
    expect: { ...DONE, refill: "failed" },
    status: "partial",
  },
  {
    what: "items that vanish from the database",
    between: ({ after, counts }) =>
      after(8_000, () => void (counts.value = { MovieCount: 120, SeriesCount: 40, EpisodeCount: 20 })),
    expect: { ...DONE, library: "failed" },
    status: "partial",
  },
  {
    what: "counts that cannot be had",
    before: ({ counts }) => void (counts.value = undefined),
    expect: { ...DONE, library: "unverified" },
    status: "partial",
  },
  {
    what: "no refill asked for",
    request: { refills: false },
    expect: { cancel: "not_needed", invalidate: "done", trigger: "done", library: "done" },
  },
  { what: "the section of films", request: { sections: ["vod"] }, expect: DONE },
  {
    what: "an empty section that is to be filled",
    before: ({ sections }) => sections.Series.empty(),
    expect: { refill: "done", library: "done" },
  },
  {
    what: "a restart during the refill, after which the plugin refreshes in part",
    between: ({ after, restart }) => after(14_000, restart),
    expect: DONE,
  },
  {
    what: "somebody else's clear during the refill",
    between: ({ after, sections }) => after(14_000, () => void sections.Series.clear()),
    expect: { ...DONE, refill: "failed" },
    status: "partial",
  },
  {
    what: "somebody else's clear during the refill, which says Completed all the same",
    parts: { cancelsLate: true },
    between: ({ after, sections }) => after(14_000, () => void sections.Series.clear()),
    expect: { ...DONE, refill: "failed" },
    status: "partial",
  },
  {
    what: "a refill that stops in the middle without a word",
    parts: { refreshStops: true },
    expect: { ...DONE, refill: "failed" },
    status: "partial",
  },
  {
    what: "a refresh of its own that begins after the clear",
    parts: { channelMs: 8_000 },
    between: ({ after, sections }) => after(4_000, () => sections.Series.begin(false)),
    expect: DONE,
  },
];

describe("a clear of a channel cache", () => {
  for (const { what, parts, request, before, between, expect, status = "done", channelRuns } of cases) {
    it(`with ${what} is ${status}, part by part`, async () => {
      const jellyfin = makeJellyfin(parts);
      before?.(jellyfin);
      const outcome = await clearOn(linkTo(jellyfin), request, () => between?.(jellyfin));
      assert.deepEqual(statesOf(outcome), expect, JSON.stringify(outcome.parts));
      assert.equal(outcome.status, status);
      if (channelRuns !== undefined) assert.equal(jellyfin.channel().runs, channelRuns);
      if (status === "done" && request?.refills !== false) {
        const section = request?.sections?.[0] === "vod" ? "Vod" : "Series";
        assert.equal(jellyfin.sections[section].content(), "full");
      }
    });
  }

  it("never asks the task that removes what people watched, nor a refresh that is not full", async () => {
    const jellyfin = makeJellyfin();
    const id = jellyfin.tasks.of("CleanupUserDataTask").id;
    await clearOn(linkTo(jellyfin));
    const paths = jellyfin.seen.map(({ path }) => path);
    assert.ok(paths.includes("/Xtream/SeriesCacheRefresh?fullSync=true"));
    assert.deepEqual(
      paths.filter((path) => path.includes(id) || /CacheRefresh(?!\?fullSync=true$)/.test(path)),
      [],
    );
  });

  it("stops the task that refreshes, by its id, before it clears; that it ended meanwhile is no trouble", async () => {
    for (const fault of [undefined, "500", "lost", "502"] as const) {
      const jellyfin = makeJellyfin();
      const task = jellyfin.tasks.of("XtreamSeriesCacheRefresh");
      jellyfin.sections.Series.begin(true);
      jellyfin.tasks.run(task);
      jellyfin.fail(({ method }) => (method === "DELETE" ? fault : undefined));
      const outcome = await clearOn(linkTo(jellyfin));
      assert.equal(outcome.status, "done", fault);
      const asked = jellyfin.seen
        .filter(({ method }) => method !== "GET")
        .map(({ method, path }) => `${method} ${path}`);
      assert.deepEqual(asked.slice(0, 2), [
        `DELETE /ScheduledTasks/Running/${task.id}`,
        "POST /Xtream/SeriesCacheClear",
      ]);
    }
  });

  for (const [route, parts, text, part] of [
    ["CacheClear", { clearLies: true }, "Idle", "invalidate"],
    ["CacheRefresh", { lostRefreshes: 99 }, "Completed: 12 series", "refill"],
  ] as const) {
    it(`does not take an answer that a proxy kept for the state after ${route}`, async () => {
      const jellyfin = makeJellyfin(parts);
      const kept = JSON.stringify({
        IsRefreshing: false,
        Progress: 1,
        Status: text,
        StartTime: "2026-11-20T11:00:00.0000000Z",
        CompleteTime: "2026-11-20T11:05:00.0000000Z",
        IsCachePopulated: route === "CacheRefresh",
      });
      const link = linkTo(jellyfin, {
        fetch: async (url, init) =>
          url.endsWith("CacheStatus") && jellyfin.seen.some(({ path }) => path.includes(route))
            ? new Response(kept, { headers: { date: "Fri, 20 Nov 2026 12:00:00 GMT" } })
            : jellyfin.fetch(url, init),
      });
      assert.equal(statesOf(await clearOn(link))[part], "unverified");
    });
  }

  it("sends a clear once, whatever becomes of its answer", async () => {
    for (const fault of ["lost", "late", "500", "half", "502"] as const) {
      const jellyfin = makeJellyfin();
      jellyfin.fail(({ path }) => (path.endsWith("CacheClear") ? fault : undefined));
      await clearOn(linkTo(jellyfin));
      assert.equal(jellyfin.seen.filter(({ path }) => path.endsWith("CacheClear")).length, 1, fault);
    }
  });

  it("tells how far it is, in hundredths, by the section and not by its task", async () => {
    const jellyfin = makeJellyfin();
    const told: string[] = [];
    const progress = ({ message, done, total }: { message: string; done: number; total?: number }) =>
      void told.push(`${message} ${done}/${total}`);
    await clearOn(linkTo(jellyfin, { progress }));
    assert.ok(told.includes("home: Fetching categories... 10/100"), told.join("\n"));
    assert.ok(told.includes("home: RefreshInternetChannels 50/100"), told.join("\n"));
  });

  it("shows what the server says in one line, without characters that turn text", async () => {
    const jellyfin = makeJellyfin({ channelEnds: "Failed" });
    const { parts } = await clearOn(linkTo(jellyfin));
    assert.match(parts.find(({ part }) => part === "trigger")?.observed ?? "", /Zugriff \\u\{202e\}verweigert$/);
  });

  it("asks no longer once the key is not taken any more: one request for each part that is left", async () => {
    const jellyfin = makeJellyfin();
    let refused = 0;
    const outcome = await clearOn(linkTo(jellyfin), {}, () => {
      jellyfin.after(2_500, () => jellyfin.fail(() => (refused++, "401")));
    });
    assert.deepEqual(statesOf(outcome), {
      ...DONE,
      trigger: "unverified",
      refill: "unverified",
      library: "unverified",
    });
    assert.equal(refused, 3);
  });

  it("that is stopped says what it does not know any more, and asks for nothing else", async () => {
    const jellyfin = makeJellyfin();
    const controller = new AbortController();
    const link = linkTo(jellyfin, { signal: controller.signal });
    const outcome = await clearOn(link, {}, () => {
      jellyfin.after(2_500, () => controller.abort());
    });
    assert.equal(outcome.status, "partial");
    assert.deepEqual(statesOf(outcome), {
      ...DONE,
      trigger: "unverified",
      refill: "unverified",
      library: "unverified",
    });
    assert.equal(jellyfin.seen.filter(({ path }) => path.includes("CacheRefresh")).length, 0);
  });
});

describe("a step on a server is refused, and nothing is asked for, when", () => {
  const refusals: readonly (readonly [string, (jellyfin: Jellyfin) => void, Parameters<typeof failsWith>])[] = [
    ["another server answers at the address", ({ exchange }) => exchange(), ["stale_plan", /another server/]],
    [
      "the section was cleared meanwhile",
      ({ sections }) => void sections.Series.clear(),
      ["stale_plan", /refreshed or/],
    ],
    [
      "a refresh began meanwhile",
      ({ sections }) => sections.Series.begin(true),
      ["stale_plan", /refreshed or cleared/],
    ],
    ["the server was restarted meanwhile", ({ restart }) => restart(), ["stale_plan", /refreshed or cleared/]],
    ["the provider went down", ({ provider }) => void (provider.isUp = false), ["unavailable", /TestProvider/]],
    ["the account ran out", ({ provider }) => void (provider.account = "Expired"), ["blocked", /says Expired/]],
    [
      "the provider has no categories any more",
      ({ provider }) => void (provider.categories = []),
      ["blocked", /offers 0/],
    ],
    [
      "the provider lost most categories",
      ({ provider }) => void (provider.categories = [4]),
      ["blocked", /offers 1 cat/],
    ],
    ["the channel task is gone", ({ tasks }) => tasks.remove("RefreshInternetChannels"), ["stale_plan", /no task/]],
    [
      "the plugin is gone",
      ({ fail }) => fail(({ path }) => (path.includes("Xtream") ? "404" : undefined)),
      ["stale_plan", /no series/],
    ],
    ["the server is down", ({ fail }) => fail(() => "reset"), ["unavailable", /ECONNRESET/]],
    ["the server starts", ({ fail }) => fail(() => "503"), ["unavailable", /not ready/]],
    ["the key was withdrawn", ({ fail }) => fail(() => "401"), ["forbidden", /does not know the API key/]],
    ["the key lost its rights", ({ fail }) => fail(() => "403"), ["forbidden", /does not let this key/]],
  ];
  for (const [what, change, expected] of refusals) {
    it(what, async () => {
      const jellyfin = makeJellyfin();
      const link = linkTo(jellyfin);
      const [step] = (await planOn(link)).steps;
      assert.ok(step);
      change(jellyfin);
      await assert.rejects(performJellyfin(step, link), failsWith(...expected));
      assert.deepEqual(
        jellyfin.seen.filter(({ method }) => method !== "GET"),
        [],
      );
    });
  }

  it("the time for one answer is longer than a request may take, all of it", async () => {
    const jellyfin = makeJellyfin({ basePath: "/jellyfin" });
    const { url, close } = await jellyfin.serve();
    jellyfin.fail(() => "hang");
    try {
      const server = serverOf({ url, answerLimit: "1s" });
      const link = linkTo(jellyfin, { fetch: globalThis.fetch }, server);
      await assert.rejects(planOn(link), failsWith("unavailable", /no answer within 1s/));
    } finally {
      close();
    }
  });
});
