import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { deflateRawSync, gunzipSync } from "node:zlib";

import { describe as describeMedia } from "../../../shared/caches/probe/describe.ts";
import { bringForward } from "../../../shared/caches/probe/migrate.ts";
import { SCHEMA_VERSION } from "../../../shared/caches/probe/stored.ts";
import { invoke } from "../../../shared/index.ts";
import { doctor } from "../../../shared/operations/doctor.ts";
import { invalidate } from "../../../shared/operations/invalidate.ts";
import { stats } from "../../../shared/operations/stats.ts";
import { copyLibrary, FIXTURES } from "../../support/library.ts";
import { partialOf, probeContext, STATE, withCache } from "./cache-place.ts";
import { startRedis } from "./redis-server.ts";

/** The version whose store lies among the fixtures, written by the program of that time. */
const PREVIOUS = "cb3f6e44";
const AT = Date.UTC(2026, 0, 1, 12);
const DATA = {
  streams: [{ index: 0, codec_type: "video", codec_name: "h264", width: 1920, height: 1080 }],
  format: { format_name: "matroska,webm", duration: "2.5" },
};
const FAILURE = { state: "failed", rule: "not_media", message: "no moov atom" } as const;

/** A context whose store is the one of the previous version. */
function makePrevious() {
  const context = probeContext();
  const file = join(context.stateDirectory, "probe.db");
  writeFileSync(file, gunzipSync(readFileSync(join(FIXTURES, `probe-store-${PREVIOUS}.db.gz`))));
  const rows = (sql: string) => {
    const database = new DatabaseSync(file);
    try {
      return database.prepare(sql).all();
    } finally {
      database.close();
    }
  };
  return { context, schemas: () => rows("SELECT schema FROM entries ORDER BY path").map(({ schema }) => schema) };
}

describe("a store that the previous version wrote", () => {
  it("answers with every result, its origin and its age, and goes over to today's schema", async () => {
    const { context, schemas } = makePrevious();
    assert.notEqual(SCHEMA_VERSION, PREVIOUS);
    assert.deepEqual(schemas(), [PREVIOUS, PREVIOUS, PREVIOUS]);
    const probed = { state: "probed", data: DATA };
    await withCache(context, async (cache) => {
      for (let round = 0; round < 2; round += 1) {
        for (const [name, known] of [
          ["a", { result: probed, at: AT, origin: "ffprobe" }],
          ["b", { result: FAILURE, at: AT, origin: "ffprobe" }],
          ["c", { result: probed, at: AT - 5000, origin: "media-audit" }],
        ] as const)
          assert.deepEqual(await cache.get(`/media/${name}.mkv`, STATE), known);
      }
    });
    assert.deepEqual(schemas(), [SCHEMA_VERSION, SCHEMA_VERSION, SCHEMA_VERSION]);
    const { probe } = await invoke(stats, { paths: [copyLibrary()] }, context);
    assert.deepEqual([probe?.entries, probe?.probes, probe?.hits], [3, 2, 7]);
  });

  it("still knows what the files of a directory are, of which none was partial", async () => {
    const { context } = makePrevious();
    const files = await withCache(context, (cache) => cache.getDirectory("/media", "digest"));
    const [rule, message] = [FAILURE.rule, FAILURE.message];
    const media = describeMedia(DATA);
    assert.deepEqual(files, [
      { path: "/media/a.mkv", state: "probed", partial: false, at: AT, rule: null, message: null, media },
      { path: "/media/b.mkv", state: "failed", partial: false, at: AT, rule, message, media: null },
    ]);
  });

  it("is in order to doctor, and its rows are found by their schema", async () => {
    const { context } = makePrevious();
    const { checks } = await invoke(doctor, { paths: [copyLibrary()] }, context);
    assert.equal(checks.find(({ name }) => name === "probe cache")?.status, "ok");
    assert.equal((await invoke(invalidate, { otherSchema: true, dryRun: true }, context)).entries, 3);
  });

  it("keeps a result when a part of the same file comes", async () => {
    const { context } = makePrevious();
    const source = { origin: "mediabox", at: AT };
    const isStored = await withCache(context, (cache) => cache.set("/media/a.mkv", STATE, partialOf(1), source));
    assert.equal(isStored, false);
  });
});

describe("a value that the previous version left in Redis", () => {
  it("is read, though it does not say its origin", async () => {
    const redis = await startRedis();
    const data = deflateRawSync(JSON.stringify({ state: "probed", data: DATA })).toString("base64");
    const value = { size: String(STATE.size), mtimeNs: String(STATE.mtimeNs), schema: PREVIOUS, at: AT, data };
    redis.ask("set", "cache-ops:probe:/media/a.mkv", JSON.stringify(value));
    const found = await withCache(probeContext({ redisUrl: redis.url }), (cache) => cache.get("/media/a.mkv", STATE));
    assert.deepEqual(found, { result: { state: "probed", data: DATA }, at: AT, origin: "redis" });
  });
});

describe("bringing stored values forward", () => {
  const add = (what: string) => (value: unknown) => `${String(value)}${what}`;
  const steps = [
    { from: "one", result: add("a"), files: add("x") },
    { from: "two", files: add("y") },
    { from: "three", result: add("c"), files: add("z") },
  ];

  it("takes every step from the version that wrote them on", () => {
    const brought = ["one", "two", "three"].map((from) =>
      (["result", "files"] as const).map((part) => bringForward(part, "-", from, steps)),
    );
    assert.deepEqual(brought, [
      ["-ac", "-xyz"],
      ["-c", "-yz"],
      ["-c", "-z"],
    ]);
  });

  it("leaves alone what another version wrote, and what is damaged", () => {
    assert.equal(bringForward("result", "-", "unknown", steps), "-");
    assert.equal(bringForward("files", undefined, PREVIOUS), undefined);
    assert.deepEqual(bringForward("files", [5, null, { a: 1 }], PREVIOUS), [5, null, { a: 1, partial: false }]);
  });

  it("is thought of whenever the schema changes", () => {
    const hint = "Stored values have another form: give migrate.ts a step from the version before, then note this one.";
    assert.equal(SCHEMA_VERSION, "fe32d5d7", hint);
  });
});
