import assert from "node:assert/strict";

import { planJellyfin, type JellyfinGuard, type JellyfinRequest } from "../../../shared/caches/jellyfin/clear-plan.ts";
import { readJellyfin } from "../../../shared/caches/jellyfin/clear-status.ts";
import { CLEANUP_TASKS } from "../../../shared/caches/jellyfin/tasks.ts";
import type { Offer, Section } from "../../../shared/caches/jellyfin/xtream.ts";
import { makeJellyfin, type Jellyfin, type JellyfinParts } from "../../support/jellyfin.ts";
import { failsWith } from "../../support/runs.ts";
import { CLEAR, linkTo, planOn, serverOf } from "./scene.ts";

interface Case {
  readonly what: string;
  readonly parts?: JellyfinParts;
  readonly before?: (jellyfin: Jellyfin) => void;
  readonly remembered?: Offer;
  readonly share?: number;
  readonly guard?: JellyfinGuard;
  readonly observed?: string;
}

const offers =
  (...categories: readonly number[]) =>
  (jellyfin: Jellyfin) =>
    void (jellyfin.provider.categories = categories);

const cases: readonly Case[] = [
  { what: "a provider that offers what it did", remembered: { categories: 3, items: 12 } },
  { what: "a provider that was never remembered" },
  {
    what: "half of the categories, at a share of a half",
    before: offers(3, 3),
    remembered: { categories: 4, items: 6 },
  },
  { what: "more than before", remembered: { categories: 1, items: 1 } },
  { what: "a share of 0, which compares nothing", share: 0, remembered: { categories: 99, items: 9_999 } },
  {
    what: "fewer than half of the categories",
    before: offers(12),
    remembered: { categories: 3, items: 12 },
    guard: "provider_shrunk",
    observed: "1 of 3 categories",
  },
  {
    what: "all categories and few items",
    before: offers(1, 1, 1),
    remembered: { categories: 3, items: 12 },
    guard: "provider_shrunk",
    observed: "3 of 12 items",
  },
  {
    what: "one category less, at a share of 1",
    share: 1,
    before: offers(6, 6),
    remembered: { categories: 3, items: 12 },
    guard: "provider_shrunk",
    observed: "2 of 3 categories",
  },
  { what: "no categories", before: offers(), guard: "provider_empty", observed: "0 categories, 0 items" },
  {
    what: "categories without items",
    before: offers(0, 0),
    guard: "provider_empty",
    observed: "2 categories, 0 items",
  },
  {
    what: "no categories where there were none",
    before: offers(),
    remembered: { categories: 0, items: 0 },
    guard: "provider_empty",
    observed: "0 categories, 0 items",
  },
  {
    what: "a provider that is down",
    before: ({ provider }) => void (provider.isUp = false),
    guard: "provider_down",
    observed: "no answer",
  },
  ...["Expired", "Banned", "Disabled", "active", ""].map((account): Case => ({
    what: `an account in the state "${account}"`,
    before: ({ provider }) => void (provider.account = account),
    guard: "provider_down",
    observed: account,
  })),
  { what: "a version that is not known", parts: { version: "9.9.9" }, guard: "unknown_version", observed: "9.9.9" },
  { what: "10.10", parts: { version: "10.10.7" } },
  { what: "12", parts: { version: "12.0.0" } },
];

describe("a plan to clear", () => {
  for (const { what, parts, before, remembered, share, guard, observed } of cases) {
    it(`with ${what} is ${guard === undefined ? "made" : `blocked by ${guard}`}`, async () => {
      const jellyfin = makeJellyfin(parts);
      before?.(jellyfin);
      const link = linkTo(jellyfin, {}, serverOf(share === undefined ? {} : { minRefillShare: share }));
      const status = await readJellyfin(link);
      const known = new Map<Section, Offer>(remembered === undefined ? [] : [["series", remembered]]);
      const plan = await planJellyfin(link, status, CLEAR, { remembered: known });
      assert.deepEqual(
        plan.blocked.map(({ guard, observed }) => ({ guard, observed })),
        guard === undefined ? [] : [{ guard, observed }],
      );
      assert.equal(plan.steps.length, guard === undefined ? 1 : 0);
      assert.deepEqual(
        jellyfin.seen.filter(({ method }) => method !== "GET"),
        [],
      );
      if (guard === undefined) return;
      const allowed = await planJellyfin(link, status, CLEAR, { remembered: known, allow: [guard] });
      // What cannot be filled again is not cleared, whoever allows it.
      const canBeAllowed = guard === "provider_shrunk" || guard === "unknown_version";
      assert.equal(allowed.steps.length, canBeAllowed ? 1 : 0);
    });
  }

  it("one section that is blocked holds up the others", async () => {
    const jellyfin = makeJellyfin();
    const link = linkTo(jellyfin);
    const remembered = new Map<Section, Offer>([["vod", { categories: 99, items: 12 }]]);
    const request = { ...CLEAR, sections: ["series", "vod"] as const, tasks: ["CleanLogFiles"] as const };
    const { steps, blocked } = await planJellyfin(link, await readJellyfin(link), request, { remembered });
    assert.deepEqual(steps, []);
    assert.deepEqual(
      blocked.map(({ section }) => section),
      ["vod"],
    );
  });

  it("is blocked where an empty section was full once and nothing is offered now", async () => {
    const jellyfin = makeJellyfin();
    const link = linkTo(jellyfin);
    jellyfin.sections.Series.empty();
    jellyfin.provider.categories = [];
    const remembered = new Map<Section, Offer>([["series", { categories: 3, items: 12 }]]);
    const { blocked } = await planJellyfin(link, await readJellyfin(link), CLEAR, { remembered });
    assert.deepEqual(
      blocked.map(({ guard }) => guard),
      ["provider_empty"],
    );
  });

  it("is bound to what was seen", async () => {
    const { steps } = await planOn(linkTo(makeJellyfin()), { tasks: ["DeleteCacheFiles"] });
    assert.deepEqual(steps, [
      {
        does: "clear",
        server: "home",
        serverId: "a3f1c7b2d0e94c55b1a2e4f60718293a",
        section: "series",
        refills: true,
        seen: {
          startedAt: "2026-11-21T08:00:00.0000000Z",
          completedAt: "2026-11-21T08:05:00.0000000Z",
          isPopulated: true,
        },
        offer: { categories: 3, items: 12 },
        least: 2,
      },
      {
        does: "run_task",
        server: "home",
        serverId: "a3f1c7b2d0e94c55b1a2e4f60718293a",
        key: "DeleteCacheFiles",
        id: "241d4fcb19a1d557ee62428e411da609",
        lastStartedAt: "2026-11-20T03:00:00.1234567Z",
      },
    ]);
  });

  it("of single categories is refused: no server offers that", async () => {
    const plan = planOn(linkTo(makeJellyfin()), { only: ["Kategorie 1"] });
    await assert.rejects(plan, failsWith("invalid_input", /as a whole/));
  });

  const leftAlone: readonly (readonly [
    string,
    JellyfinParts,
    Partial<JellyfinRequest>,
    (jellyfin: Jellyfin) => void,
    string,
  ])[] = [
    ["a section on a server without the plugin", { plugin: "none" }, {}, () => undefined, "not_offered"],
    [
      "films with a plugin that has no cache of them",
      { plugin: "no-vod" },
      { sections: ["vod"] },
      () => undefined,
      "not_offered",
    ],
    ["a section that is empty", {}, { refills: false }, ({ sections }) => sections.Series.empty(), "already_empty"],
    [
      "an empty section of which nothing is offered",
      {},
      {},
      ({ sections, provider }) => {
        sections.Series.empty();
        provider.categories = [];
      },
      "nothing_offered",
    ],
    [
      "a section without the channel task",
      {},
      {},
      ({ tasks }) => tasks.remove("RefreshInternetChannels"),
      "no_channel_task",
    ],
    [
      "a task that is not there",
      {},
      { sections: [], tasks: ["CleanLogFiles"] },
      ({ tasks }) => tasks.remove("CleanLogFiles"),
      "not_offered",
    ],
    [
      "a task that runs",
      {},
      { sections: [], tasks: ["CleanLogFiles"] },
      ({ tasks }) => tasks.run(tasks.of("CleanLogFiles")),
      "busy",
    ],
    [
      "to optimize while a scan runs",
      {},
      { sections: [], tasks: ["OptimizeDatabaseTask"] },
      ({ tasks }) => tasks.run(tasks.of("RefreshLibrary")),
      "busy",
    ],
  ];
  for (const [what, parts, request, before, rule] of leftAlone) {
    it(`leaves ${what} alone, by the rule ${rule}`, async () => {
      const jellyfin = makeJellyfin(parts);
      before(jellyfin);
      const { steps, skipped, blocked } = await planOn(linkTo(jellyfin), request);
      assert.deepEqual([steps, blocked], [[], []]);
      assert.deepEqual(
        skipped.map((known) => known.rule),
        [rule],
      );
    });
  }

  it("knows no task that touches what people watched", () => {
    assert.ok(!("CleanupUserDataTask" in CLEANUP_TASKS));
  });
});
