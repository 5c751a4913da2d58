import assert from "node:assert/strict";

import { performJellyfin } from "../../../shared/caches/jellyfin/clear.ts";
import { planJellyfin } from "../../../shared/caches/jellyfin/clear-plan.ts";
import { readJellyfin } from "../../../shared/caches/jellyfin/clear-status.ts";
import { CacheOpsError, type ErrorCode } from "../../../shared/errors.ts";
import {
  FAULTS,
  makeJellyfin,
  type Fault,
  type Jellyfin,
  type JellyfinParts,
  type Seen,
} from "../../support/jellyfin.ts";
import { CLEAR, linkTo, planOn } from "./scene.ts";

const EXPECTED: Readonly<Record<Fault, ErrorCode>> = {
  reset: "unavailable",
  hang: "unavailable",
  lost: "unavailable",
  late: "unavailable",
  half: "unavailable",
  html: "unavailable",
  null: "unavailable",
  shape: "unavailable",
  empty: "unavailable",
  "500": "unavailable",
  "502": "unavailable",
  "503": "unavailable",
  "302": "unavailable",
  "404": "unavailable",
  "401": "forbidden",
  "403": "forbidden",
};

/** Plans on a server that works, then takes the step while requests fail. */
async function clearWith(parts: JellyfinParts, fail: (request: Seen, index: number) => Fault | undefined) {
  const jellyfin = makeJellyfin(parts);
  if (parts.cancelMs !== undefined) jellyfin.sections.Series.begin(true);
  const link = linkTo(jellyfin);
  const [step] = (await planOn(link)).steps;
  assert.ok(step);
  const first = jellyfin.seen.length;
  const runs = jellyfin.channel().runs;
  jellyfin.fail((request, index) => fail(request, index - first));
  try {
    const outcome = await performJellyfin(step, link);
    return { jellyfin, outcome, runs, requests: jellyfin.seen.length - first };
  } catch (error) {
    assert.ok(error instanceof CacheOpsError, String(error));
    return { jellyfin, error, runs, requests: jellyfin.seen.length - first };
  }
}

/** What was claimed of a clear holds in the server itself. */
function assertTrue({ jellyfin, outcome, error, runs }: Awaited<ReturnType<typeof clearWith>>): void {
  const { Series } = jellyfin.sections;
  if (error !== undefined) {
    assert.equal(Series.clears.length, 0, `it threw ${error.message} and the cache was cleared`);
    return;
  }
  assert.ok(outcome);
  const state = (part: string) => outcome.parts.find((known) => known.part === part)?.state;
  if (state("invalidate") === "done") assert.ok(Series.clears.length > 0);
  if (state("trigger") === "done") assert.ok(jellyfin.channel().runs > runs);
  if (state("refill") === "done") assert.equal(Series.content(), "full");
  if (outcome.status !== "done") return;
  assert.ok(Series.clears.length > 0);
  assert.ok(jellyfin.channel().runs > runs);
  assert.equal(Series.content(), "full");
  assert.equal(Series.isRefreshing(), false);
  assert.notEqual(outcome.counts.after, null);
}

describe("a clear in which one request goes wrong claims only what the server did", () => {
  /** One of each manner. */
  const few = ["reset", "lost", "late", "half", "shape", "500", "401", "404"] as const;
  const scenes: readonly (readonly [string, JellyfinParts, readonly Fault[]])[] = [
    ["an idle server", {}, FAULTS],
    ["a server that refreshes", { cancelMs: 5_000 }, few],
    ["a server whose trigger does nothing", { silentTrigger: true, version: "12.0.0" }, few],
  ];
  for (const [what, parts, faults] of scenes) {
    for (const fault of faults) {
      it(`${what}: ${fault}, at each request in turn`, async () => {
        const { requests, outcome } = await clearWith(parts, () => undefined);
        assert.equal(outcome?.status, "done");
        for (let at = 0; at < requests; at += 1) {
          assertTrue(await clearWith(parts, (_, index) => (index === at ? fault : undefined)));
        }
      });
    }
  }
});

describe("a clear in which one route fails from then on is never done", () => {
  const routes = ["CacheClear", "CacheRefresh", "CacheStatus", "/ScheduledTasks", "/Items/Counts", "/System/Info"];
  for (const route of [...routes, "TestProvider", "Categories"]) {
    it(`${route}, in every way`, async () => {
      for (const fault of FAULTS) {
        // These are carried out, and only their answer is lost: the server's state proves it.
        const isCarriedOut = fault === "lost" || fault === "late" || fault === "half";
        const result = await clearWith({}, ({ path }) => (path.includes(route) ? fault : undefined));
        assertTrue(result);
        const isAnswerNeeded = route !== "CacheClear" || !isCarriedOut;
        if (isAnswerNeeded) assert.notEqual(result.outcome?.status, "done", fault);
      }
    });
  }
});

describe("a clear survives a restart of the server at any moment, and claims only what holds", () => {
  for (let second = 0; second < 40; second += 2) {
    it(`after ${second} s, with ten seconds without an answer`, async () => {
      const jellyfin = makeJellyfin();
      const link = linkTo(jellyfin);
      const [step] = (await planOn(link)).steps;
      assert.ok(step);
      const runs = jellyfin.channel().runs;
      const from = jellyfin.now() + second * 1000;
      jellyfin.after(second * 1000 + 9_000, jellyfin.restart);
      jellyfin.fail(() => (jellyfin.now() >= from && jellyfin.now() < from + 10_000 ? "503" : undefined));
      try {
        assertTrue({ jellyfin, outcome: await performJellyfin(step, link), runs, requests: 0 });
      } catch (error) {
        if (!(error instanceof CacheOpsError)) throw error;
        assertTrue({ jellyfin, error, runs, requests: 0 });
      }
    });
  }
});

/** What of a status must never be made up. */
const READS: readonly (readonly [path: RegExp, whenMissing: (jellyfin: Jellyfin) => Promise<void>])[] = [
  [/^\/System\/Info$/, async () => assert.fail("a server without identity")],
  [/^\/ScheduledTasks$/, async () => assert.fail("a server without tasks")],
  [
    /SeriesCacheStatus$/,
    async (jellyfin) => {
      const { sections } = await readJellyfin(linkTo(jellyfin));
      assert.deepEqual(
        sections.map(({ section }) => section),
        ["vod"],
      );
    },
  ],
];

describe("a look at a server never takes a failure for something empty", () => {
  for (const [path, whenMissing] of READS) {
    for (const fault of FAULTS) {
      it(`${path.source}: ${fault}`, async () => {
        const jellyfin = makeJellyfin();
        jellyfin.fail((request) => (path.test(request.path) ? fault : undefined));
        // The one answer that says that something is not there.
        if (fault === "404" && path.source.includes("Cache")) {
          await whenMissing(jellyfin);
          return;
        }
        await assert.rejects(readJellyfin(linkTo(jellyfin)), (error) => {
          assert.ok(error instanceof CacheOpsError, String(error));
          assert.equal(error.code, EXPECTED[fault]);
          assert.ok(error.hint);
          return true;
        });
      });
    }
  }

  for (const fault of FAULTS.filter((known) => known !== "401" && known !== "403")) {
    it(`counts and rooms that are not told (${fault}) are null, not 0`, async () => {
      const jellyfin = makeJellyfin();
      jellyfin.fail(({ path }) => (/Counts|Storage/.test(path) ? fault : undefined));
      const { counts, cacheRoom, sections } = await readJellyfin(linkTo(jellyfin));
      assert.deepEqual([counts, cacheRoom], [null, null]);
      assert.equal(sections.length, 2);
    });
  }
});

describe("a provider that cannot be asked blocks a plan, as down and not as empty", () => {
  for (const route of ["TestProvider", "SeriesCategories", "SeriesCategories/2"]) {
    for (const fault of FAULTS) {
      it(`${route}: ${fault}`, async () => {
        const jellyfin = makeJellyfin();
        const link = linkTo(jellyfin);
        const status = await readJellyfin(link);
        jellyfin.fail(({ path }) => (path === `/Xtream/${route}` ? fault : undefined));
        const plan = planJellyfin(link, status, CLEAR);
        if (EXPECTED[fault] === "forbidden") {
          await assert.rejects(plan, (error) => error instanceof CacheOpsError && error.code === "forbidden");
          return;
        }
        const { steps, blocked } = await plan;
        assert.deepEqual(steps, []);
        assert.deepEqual(
          blocked.map(({ guard }) => guard),
          ["provider_down"],
        );
      });
    }
  }
});
