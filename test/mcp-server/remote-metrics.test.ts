import assert from "node:assert/strict";

import { engineRoutes } from "../../mcp-server/engine-routes.ts";
import { makeMetrics } from "../../mcp-server/metrics.ts";
import { makeStatus, type Look } from "../../mcp-server/status.ts";
import { operations, type EngineCacheRow, type JellyfinRow } from "../../shared/index.ts";
import { makeContext } from "../support/context.ts";
import { failsWith } from "../support/runs.ts";

const ROW: EngineCacheRow = {
  engine: "ace",
  container: "engine-1",
  containerId: "a1".repeat(32),
  path: "/root/.ACEStream/.acestream_cache",
  state: "measured",
  bytes: 10_485_760,
  entries: 3,
  use: "idle",
  because: "nothing plays",
  streams: 0,
  lastCacheCleanup: "2030-01-01T00:00:00.000Z",
  cacheSizeBytes: 2000,
  cleanups: 4,
  freedBytes: 9000,
  history: [],
};

const SERVER: JellyfinRow = {
  server: "home",
  version: "10.11.5",
  sections: [
    {
      section: "series",
      isPopulated: true,
      isRefreshing: false,
      progress: 1,
      text: "Completed",
      completedAt: null,
      lastCleared: null,
    },
    {
      section: "vod",
      isPopulated: false,
      isRefreshing: true,
      progress: 0.25,
      text: "Fetching",
      completedAt: null,
      lastCleared: "2030-01-01T00:00:00.000Z",
    },
  ],
  tasks: [{ key: "DeleteCacheFiles", name: null, state: "Running", progress: null, lastEnded: null, lastStatus: null }],
  counts: { movies: 120, series: 40, episodes: 900 },
  cacheRoom: null,
  transcodeRoom: null,
};

const seen = <Row>(...rows: readonly Row[]): Look<Row> => ({ rows, troubles: [] });
const down: Look<never> = { rows: [], troubles: ["Docker does not answer"] };

/** A status of two engine caches and a server, of which this is seen from look to look; the last look stays. */
function makeScene(parts: {
  readonly ace?: readonly (Look<EngineCacheRow> | Promise<never>)[];
  readonly far?: readonly (Look<EngineCacheRow> | Promise<never>)[];
  readonly home?: readonly (Look<JellyfinRow> | Promise<never>)[];
}) {
  const config = {
    engines: [{ name: "ace" }, { name: "far" }],
    jellyfin: [{ name: "home", url: "http://127.0.0.1:9" }],
  };
  const looks: string[] = [];
  const taker = <Row>(name: string, given: readonly (Look<Row> | Promise<never>)[] = [seen()]) => {
    let index = 0;
    return async () => {
      looks.push(name);
      const look = given[Math.min(index, given.length - 1)];
      index += 1;
      return look ?? seen<Row>();
    };
  };
  const engine = new Map([
    ["ace", taker("ace", parts.ace)],
    ["far", taker("far", parts.far)],
  ]);
  const server = taker("home", parts.home);
  const context = makeContext({ config });
  const status = makeStatus(context, {
    engine: async (name) => engine.get(name)?.() ?? down,
    server,
  });
  const usage = { figures: async () => [], daysUntilFull: new Map<string, number>() };
  const webhooks = { counts: { delivered: 0, failed: 0 } };
  const metrics = makeMetrics(context, { usage, status, webhooks, version: "1", limitMs: 20 });
  const text = async () => (await metrics.answer()).text();
  const operation = (name: string) => {
    const found = operations.find((each) => each.name === name);
    assert.ok(found);
    return { operation: found };
  };
  return { status, looks, text, operation };
}

const never = () => new Promise<never>(() => undefined);
const CACHE = '{engine="ace",container="engine-1",path="/root/.ACEStream/.acestream_cache"}';

describe("the metrics of what lies in containers and on servers", () => {
  it("hold what is in a cache, whether its engine is idle, and what was freed", async () => {
    const text = await makeScene({ ace: [seen(ROW)] }).text();
    for (const line of [
      'cacheops_engine_up{engine="ace"} 1',
      'cacheops_engine_up{engine="far"} 1',
      `cacheops_engine_cache_bytes${CACHE} 10485760`,
      `cacheops_engine_idle${CACHE} 1`,
      `cacheops_engine_streams${CACHE} 0`,
      `cacheops_engine_cleanups_total${CACHE} 4`,
      `cacheops_engine_freed_bytes_total${CACHE} 9000`,
      `cacheops_engine_last_cleanup_timestamp_seconds${CACHE} 1893456000`,
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line}\n${text}`);
    }
  });

  it("claim no size and no streams of what cannot be looked at, and do not call it idle", async () => {
    const unknown = { ...ROW, state: "unknown", bytes: null, use: "unknown" } as const;
    const text = await makeScene({ ace: [seen<EngineCacheRow>(unknown)] }).text();
    assert.ok(!text.includes("cacheops_engine_cache_bytes{"));
    assert.ok(!text.includes("cacheops_engine_streams{"));
    assert.ok(text.includes(`cacheops_engine_idle${CACHE} 0\n`));
  });

  it("hold of a server whether its caches are there and how far they are, its tasks and items", async () => {
    const text = await makeScene({ home: [seen(SERVER)] }).text();
    for (const line of [
      'up{server="home"} 1',
      'section_populated{server="home",section="series"} 1',
      'section_populated{server="home",section="vod"} 0',
      'section_refreshing{server="home",section="vod"} 1',
      'section_progress{server="home",section="vod"} 0.25',
      'section_cleared_timestamp_seconds{server="home",section="vod"} 1893456000',
      'task_running{server="home",task="DeleteCacheFiles"} 1',
      'items{server="home",type="episodes"} 900',
    ]) {
      assert.ok(text.includes(`cacheops_jellyfin_${line}\n`), `${line}\n${text}`);
    }
    assert.ok(!text.includes('cleared_timestamp_seconds{server="home",section="series"}'), "never is no time");
  });

  it("come in time when something does not answer: that is down, and the others are there", async () => {
    const text = await makeScene({ ace: [seen(ROW)], far: [never()], home: [never()] }).text();
    assert.ok(text.includes('cacheops_engine_up{engine="far"} 0\n'));
    assert.ok(text.includes('cacheops_jellyfin_up{server="home"} 0\n'));
    assert.ok(text.includes(`cacheops_engine_cache_bytes${CACHE} 10485760\n`));
  });

  it("say of what went down only that, and what was counted before", async () => {
    const scene = makeScene({ ace: [seen(ROW), down], home: [seen(SERVER), down] });
    await scene.text();
    scene.status.observe(scene.operation("apply"));
    const text = await scene.text();
    assert.ok(text.includes('cacheops_engine_up{engine="ace"} 0\n'));
    assert.ok(!text.includes("cacheops_engine_cache_bytes{") && !text.includes("cacheops_engine_idle{"));
    assert.ok(text.includes(`cacheops_engine_freed_bytes_total${CACHE} 9000\n`));
    assert.ok(text.includes('cacheops_jellyfin_up{server="home"} 0\n'));
    assert.ok(!text.includes("section_populated{"));
  });

  it("look once for many who ask, and anew after something was changed here, not after a look", async () => {
    const scene = makeScene({ ace: [seen(ROW), seen({ ...ROW, bytes: 0 })] });
    await Promise.all([scene.text(), scene.text()]);
    scene.status.observe(scene.operation("engines"));
    await scene.text();
    assert.deepEqual(scene.looks.toSorted(), ["ace", "far", "home"]);
    scene.status.observe(scene.operation("apply"));
    assert.ok((await scene.text()).includes(`cacheops_engine_cache_bytes${CACHE} 0\n`));
    assert.equal(scene.looks.length, 6);
  });
});

describe("GET /engines", () => {
  const ask = async (parts: Parameters<typeof makeScene>[0], query = "") => {
    const route = engineRoutes(makeScene(parts).status).get("/engines")?.["GET"];
    assert.ok(route);
    assert.notEqual(route.isOpen, true, "it needs the token, as all others do");
    const call = {
      request: new Request("http://localhost/engines"),
      path: "/engines",
      query: new URLSearchParams(query),
      context: makeContext(),
    };
    return route.answer(call);
  };
  const BODY = {
    engine: "ace",
    container_id: ROW.containerId,
    container_name: "engine-1",
    stream_count: 0,
    last_cache_cleanup: "2030-01-01T00:00:00.000Z",
    cache_size_bytes: 2000,
  };

  it("answers a bare list in the words of the orchestrator, with nulls for what never was or is not known", async () => {
    const fresh = { ...ROW, use: "unknown", lastCacheCleanup: null, cacheSizeBytes: null } as const;
    const answer = await ask({ ace: [seen<EngineCacheRow>(ROW, fresh)] });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-ops-missing"), null);
    assert.deepEqual(await answer.json(), [
      BODY,
      { ...BODY, stream_count: null, last_cache_cleanup: null, cache_size_bytes: null },
    ]);
    assert.deepEqual(await (await ask({})).json(), []);
  });

  it("names in a header what is down while others answer, and is unavailable when none does", async () => {
    const answer = await ask({ ace: [seen(ROW)], far: [down] });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-ops-missing"), "far");
    assert.deepEqual(await answer.json(), [BODY]);
    assert.equal((await ask({ ace: [seen()], far: [down] })).headers.get("cache-ops-missing"), "far");
    await assert.rejects(
      async () => ask({ ace: [down], far: [down] }),
      failsWith("unavailable", /Docker does not answer/),
    );
  });

  it("takes no parameters", async () => {
    await assert.rejects(async () => ask({}, "container_id=1"), failsWith("invalid_input"));
  });
});
