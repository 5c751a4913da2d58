import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { deflateRawSync } from "node:zlib";

import type { Context } from "../../../shared/index.ts";
import { makeProbeMemory } from "../../../shared/caches/probe/memory.ts";
import { openProbeCache } from "../../../shared/caches/probe/open.ts";
import { SCHEMA_VERSION } from "../../../shared/caches/probe/stored.ts";
import { doctor } from "../../../shared/operations/doctor.ts";
import { invalidate } from "../../../shared/operations/invalidate.ts";
import { stats } from "../../../shared/operations/stats.ts";
import { invoke } from "../../../shared/index.ts";
import { copyLibrary } from "../../support/library.ts";
import { programOf } from "../../support/program.ts";
import { failsWith } from "../../support/runs.ts";
import { probeContext, resultOf, STATE, withCache } from "./cache-place.ts";

const WRITER = programOf("shared/probe/cache-writer");
const path = (number: number) => `/media/${number}.mkv`;

/** Works on the file of the store as another program would. */
function onFile<T>({ stateDirectory }: { readonly stateDirectory: string }, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(join(stateDirectory, "probe.db"));
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const fill = (context: Context, count: number) =>
  withCache(context, async (cache) => {
    for (let number = 0; number < count; number += 1) await cache.set(path(number), STATE, resultOf(number));
  });

const known = (context: Context, count: number) =>
  withCache(context, async (cache) => {
    const numbers: number[] = [];
    for (let number = 0; number < count; number += 1) {
      const found = await cache.get(path(number), STATE);
      if (found === undefined) continue;
      assert.deepEqual(found.result, resultOf(number));
      numbers.push(number);
    }
    return numbers;
  });

const figures = async (context: Context) => (await invoke(stats, { paths: [copyLibrary()] }, context)).probe;

describe("the probe cache", () => {
  it("holds a result for as long as size and time of the file are the same, to the nanosecond", async () => {
    const context = probeContext();
    await fill(context, 1);
    await withCache(context, async (cache) => {
      assert.deepEqual((await cache.get(path(0), STATE))?.result, resultOf(0));
      assert.equal(await cache.get(path(0), { ...STATE, size: STATE.size + 1n }), undefined);
      assert.equal(await cache.get(path(0), { ...STATE, mtimeNs: STATE.mtimeNs + 1n }), undefined);
      assert.equal(await cache.get(path(1), STATE), undefined);
    });
  });

  it("remembers failures, and times before 1970 and far away", async () => {
    const context = probeContext();
    const failure = { state: "failed", rule: "not_media", message: "no moov atom" } as const;
    for (const mtimeNs of [-1_500_000_000n, 0n, 253_402_300_799_999_999_999n]) {
      await withCache(context, (cache) => cache.set("/x", { size: 0n, mtimeNs }, failure));
      assert.deepEqual((await withCache(context, (cache) => cache.get("/x", { size: 0n, mtimeNs })))?.result, failure);
    }
  });

  it("takes any text for a path", async () => {
    const context = probeContext();
    const names = ["-version.mkv", "concat:a|b", "new\nline", `it's "quoted"`, "%s \\ ünï 日本 🎬", "' OR 1=1 --"];
    await withCache(context, async (cache) => {
      for (const [number, name] of names.entries()) await cache.set(`/m/${name}`, STATE, resultOf(number));
    });
    await withCache(context, async (cache) => {
      for (const [number, name] of names.entries())
        assert.deepEqual((await cache.get(`/m/${name}`, STATE))?.result, resultOf(number), name);
    });
  });

  it("counts hits, misses, probes and failures over processes, by day", async () => {
    let now = Date.UTC(2026, 0, 1, 12);
    const context = probeContext({ now: () => now });
    await fill(context, 3);
    assert.deepEqual(await known(context, 5), [0, 1, 2]);
    now += 86_400_000;
    const failure = { state: "failed", rule: "crashed", message: "x" } as const;
    await withCache(context, (cache) => cache.set(path(9), STATE, failure));
    const seen = await figures(context);
    assert.ok(seen);
    const { requests, hits, misses, hitRate, probes, failures, entries, failedEntries, growth } = seen;
    assert.deepEqual({ requests, hits, misses, hitRate }, { requests: 5, hits: 3, misses: 2, hitRate: 0.6 });
    assert.deepEqual(
      { probes, failures, entries, failedEntries },
      { probes: 4, failures: 1, entries: 4, failedEntries: 1 },
    );
    assert.deepEqual(
      growth.map(({ day, hits, misses, probes, entries }) => [day, hits, misses, probes, entries]),
      [
        ["2026-01-01", 3, 2, 3, 3],
        ["2026-01-02", 0, 0, 1, 4],
      ],
    );
  });

  it("that is empty has a hit rate of null and no distribution", async () => {
    const context = probeContext();
    assert.equal(await figures(context), undefined);
    await withCache(context, async () => undefined);
    const seen = await figures(context);
    assert.ok(seen);
    assert.equal(seen.hitRate, null);
    assert.deepEqual([seen.byAge, seen.bySize, seen.byOrigin], [{}, {}, {}]);
  });

  it("tells ages, sizes and origins apart", async () => {
    let now = Date.UTC(2026, 0, 1);
    const context = probeContext({ now: () => now });
    await withCache(context, (cache) => cache.set(path(0), STATE, resultOf(0), { origin: "mediabox", at: now }));
    now += 3 * 86_400_000;
    await withCache(context, (cache) => cache.set(path(1), STATE, resultOf(1)));
    const seen = await figures(context);
    assert.deepEqual(seen?.byAge, { "under 1 day": 1, "1 to 7 days": 1 });
    assert.deepEqual(seen.bySize, { "under 1 kB": 2 });
    assert.deepEqual(seen.byOrigin, { ffprobe: 1, mediabox: 1 });
    assert.equal(seen.probes, 1);
  });

  it("makes results anew that are older than the TTL, and no others", async () => {
    let now = Date.UTC(2026, 0, 1);
    const context = probeContext({ now: () => now, config: { probe: { ttl: "7d" } } });
    await fill(context, 1);
    now += 7 * 86_400_000 - 1;
    assert.deepEqual(await known(context, 1), [0]);
    now += 1;
    assert.deepEqual(await known(context, 1), []);
  });

  it("keeps to its limit, and gives up what was used longest ago", async () => {
    let now = 1_000_000_000_000;
    const context = probeContext({ now: () => (now += 1), config: { probe: { maxEntries: 5 } } });
    await fill(context, 5);
    await withCache(context, async (cache) => {
      await cache.get(path(0), STATE);
      await cache.get(path(2), STATE);
      for (const number of [5, 6, 7]) await cache.set(path(number), STATE, resultOf(number));
    });
    assert.deepEqual(await known(context, 8), [0, 2, 5, 6, 7]);
    assert.equal((await figures(context))?.entries, 5);
  });

  it("works without its memory", async () => {
    for (const probe of [{ memoryEntries: 0 }, { memoryBytes: 0 }, { memoryEntries: 1 }, { memoryBytes: 1 }]) {
      const context = probeContext({ config: { probe } });
      await fill(context, 3);
      assert.deepEqual(await known(context, 3), [0, 1, 2]);
    }
  });

  it("stops answering from memory what another process had it forget", async () => {
    const context = probeContext();
    await withCache(context, async (cache) => {
      await cache.set(path(0), STATE, resultOf(0));
      assert.ok(await cache.get(path(0), STATE));
      await invoke(invalidate, { all: true }, context);
      assert.equal(await cache.get(path(0), STATE), undefined);
    });
  });
});

describe("the memory in front", () => {
  const entry = (bytes: number) => ({ ...STATE, result: resultOf(1), at: 0, origin: "ffprobe", bytes });
  const limits = { maxEntries: 10, mediaAudit: [] };

  it("is bounded by count: what was used longest ago goes", () => {
    const memory = makeProbeMemory({ ...limits, memoryEntries: 3, memoryBytes: 1_000_000 });
    for (const name of ["a", "b", "c"]) memory.set(name, entry(10));
    memory.get("a");
    memory.set("d", entry(10));
    assert.deepEqual(
      ["a", "b", "c", "d"].map((name) => memory.get(name) !== undefined),
      [true, false, true, true],
    );
  });

  it("is bounded by bytes, and does not take what alone is too large", () => {
    const memory = makeProbeMemory({ ...limits, memoryEntries: 1000, memoryBytes: 100_000 });
    for (let number = 0; number < 1000; number += 1) memory.set(String(number), entry(1000));
    assert.ok(memory.size > 10 && memory.size < 100, String(memory.size));
    memory.set("huge", entry(1_000_000));
    assert.equal(memory.get("huge"), undefined);
    assert.ok(memory.size > 10);
  });

  it("is off with a limit of 0", () => {
    for (const [memoryEntries, memoryBytes] of [
      [0, 1000],
      [1000, 0],
    ] as const) {
      const memory = makeProbeMemory({ ...limits, memoryEntries, memoryBytes });
      memory.set("a", entry(1));
      assert.equal(memory.get("a"), undefined);
    }
  });
});

describe("a change of the schema", () => {
  it("changes the version by itself: it is a hash", () => {
    assert.match(SCHEMA_VERSION, /^[0-9a-f]{8}$/);
  });

  it("wipes nothing: a result that still fits is taken over", async () => {
    const context = probeContext();
    await fill(context, 2);
    onFile(context, (database) => database.exec("UPDATE entries SET schema = '00000000'"));
    assert.deepEqual(await known(context, 1), [0]);
    const versions = onFile(context, (database) =>
      database.prepare("SELECT path, schema FROM entries ORDER BY path").all(),
    );
    assert.deepEqual(
      versions.map(({ schema }) => schema),
      [SCHEMA_VERSION, "00000000"],
    );
  });

  it("keeps a result that does not fit any more until the file is probed again", async () => {
    const context = probeContext();
    await fill(context, 1);
    const old = deflateRawSync('{"state":"probed","result":{"streams":[]}}');
    onFile(context, (database) => database.prepare("UPDATE entries SET schema = 'old', data = ?").run(old));
    assert.deepEqual(await known(context, 1), []);
    assert.equal((await figures(context))?.entries, 1);
    await fill(context, 1);
    assert.deepEqual(await known(context, 1), [0]);
  });
});

describe("the file of the probe cache", () => {
  it("holds everything whose set returned before kill -9", async function () {
    this.timeout(300_000);
    const context = probeContext();
    for (const [round, after] of [1, 30, 200, 500].entries()) {
      const writer = startWriter(context.stateDirectory, `round${round}`, 1000);
      await writer.acknowledged(after);
      writer.child.kill("SIGKILL");
      await writer.ended;
      assert.ok(writer.count() < 1000, "it was killed in the middle");
      await withCache(context, async (cache) => {
        for (let number = 0; number < writer.count(); number += 1) {
          const found = await cache.get(`/media/round${round}/${number}.mkv`, { size: BigInt(number), mtimeNs: 5n });
          assert.ok(found?.result.state === "probed", `${number} of ${writer.count()}`);
          assert.equal(found.result.data.format["number"], number);
        }
      });
      assert.deepEqual(
        onFile(context, (database) => database.prepare("PRAGMA integrity_check").get()),
        onOk(),
      );
    }
  });

  it("takes eight processes at once, with every row and every count of each", async function () {
    this.timeout(300_000);
    const context = probeContext();
    const writers = Array.from({ length: 8 }, (_, id) => startWriter(context.stateDirectory, String(id), 200));
    assert.deepEqual(
      await Promise.all(writers.map(({ ended }) => ended)),
      Array.from({ length: 8 }, () => 0),
    );
    const seen = await figures(context);
    assert.ok(seen);
    const { hits, misses, probes, entries } = seen;
    assert.deepEqual({ hits, misses, probes, entries }, { hits: 1600, misses: 1600, probes: 1600, entries: 1600 });
  });

  it("of a newer program is refused, also by a quarantine, and stays as it is", async () => {
    const context = probeContext();
    await fill(context, 1);
    onFile(context, (database) => database.exec("PRAGMA user_version = 1000"));
    const before = readFileSync(join(context.stateDirectory, "probe.db"));
    await assert.rejects(openProbeCache(context), failsWith("unavailable", /newer cache-ops/));
    await assert.rejects(invoke(invalidate, { damaged: true }, context), failsWith("unavailable", /newer cache-ops/));
    assert.deepEqual(readFileSync(join(context.stateDirectory, "probe.db")), before);
  });

  for (const [what, write] of [
    ["no database", (file: string) => writeFileSync(file, "no database, but more than a hundred bytes. ".repeat(99))],
    [
      "another program's database",
      (file: string) => {
        const database = new DatabaseSync(file);
        database.exec("CREATE TABLE entries (id INTEGER, note TEXT); INSERT INTO entries VALUES (1, 'precious')");
        database.close();
      },
    ],
  ] as const) {
    it(`that is ${what} is refused, reported by stats, and stays; a quarantine moves it aside, byte for byte`, async () => {
      const context = probeContext();
      const file = join(context.stateDirectory, "probe.db");
      write(file);
      const before = readFileSync(file);
      await assert.rejects(openProbeCache(context), (error: Error & { hint?: string }) => {
        assert.match(error.hint ?? "", /cache-ops invalidate --damaged/);
        return failsWith("corrupt")(error);
      });
      assert.deepEqual(readdirSync(context.stateDirectory), ["probe.db"]);
      assert.deepEqual(readFileSync(file), before);
      const { errors, probe } = await invoke(stats, { paths: [copyLibrary()] }, context);
      assert.deepEqual([errors.map(({ path, code }) => [path, code]), probe], [[[file, "corrupt"]], undefined]);
      const { movedTo, kept, dryRun } = await invoke(invalidate, { damaged: true }, context);
      assert.ok(movedTo !== null);
      assert.deepEqual([kept, dryRun, readFileSync(movedTo)], [0, false, before]);
      await fill(context, 1);
      assert.deepEqual(await known(context, 1), [0]);
    });
  }

  it("that is damaged is reported by doctor; a quarantine saves every row that can be read", async () => {
    const context = probeContext();
    await fill(context, 2000);
    const file = join(context.stateDirectory, "probe.db");
    const bytes = readFileSync(file);
    const from = Math.floor(bytes.length / 8192) * 4096;
    bytes.fill(0xa5, from, from + 8192);
    writeFileSync(file, bytes);
    const { checks } = await invoke(doctor, { paths: [copyLibrary()] }, context);
    const check = checks.find(({ name }) => name === "probe cache");
    assert.equal(check?.status, "failed");
    assert.match(check.hint ?? "", /invalidate --damaged/);
    const dry = await invoke(invalidate, { damaged: true, dryRun: true }, context);
    assert.ok(dry.damage.length > 0);
    assert.deepEqual([dry.movedTo, readFileSync(file)], [null, bytes]);
    const { movedTo, kept } = await invoke(invalidate, { damaged: true }, context);
    assert.deepEqual(readFileSync(movedTo ?? ""), bytes);
    assert.ok(kept >= 1800 && kept < 2000, String(kept));
    assert.equal((await known(context, 2000)).length, kept);
    const after = await invoke(doctor, { paths: [copyLibrary()] }, context);
    assert.equal(after.checks.find(({ name }) => name === "probe cache")?.status, "ok");
    assert.equal((await figures(context))?.probes, 2000);
  });

  it("with a row that cannot be read answers for all others, and doctor names it", async () => {
    const context = probeContext();
    await fill(context, 3);
    onFile(context, (database) => database.exec("UPDATE entries SET data = x'00ff00' WHERE path = '/media/1.mkv'"));
    assert.deepEqual(await known(context, 3), [0, 2]);
    const { checks } = await invoke(doctor, { paths: [copyLibrary()] }, context);
    assert.match(checks.find(({ name }) => name === "probe cache")?.message ?? "", /1 row cannot be read/);
    assert.equal((await invoke(invalidate, { damaged: true }, context)).kept, 2);
    assert.deepEqual(await known(context, 3), [0, 2]);
  });

  it("shrinks when everything is forgotten", async () => {
    const context = probeContext();
    await fill(context, 2000);
    const file = join(context.stateDirectory, "probe.db");
    const before = statSync(file).size;
    await invoke(invalidate, { all: true }, context);
    assert.ok(statSync(file).size < before / 5, `${before} bytes became ${statSync(file).size}`);
  });

  it("that is in order is left alone by a quarantine", async () => {
    const context = probeContext();
    await fill(context, 3);
    const { movedTo, damage } = await invoke(invalidate, { damaged: true }, context);
    assert.deepEqual([movedTo, damage], [null, []]);
    assert.deepEqual(await known(context, 3), [0, 1, 2]);
  });

  it("is not made by doctor and stats", async () => {
    const context = probeContext();
    await invoke(stats, { paths: [copyLibrary()] }, context);
    await invoke(doctor, { paths: [copyLibrary()] }, context);
    await invoke(invalidate, { damaged: true }, context);
    assert.ok(!existsSync(join(context.stateDirectory, "probe.db")));
  });
});

const onOk = () => Object.assign(Object.create(null) as object, { integrity_check: "ok" });

function startWriter(directory: string, id: string, count: number) {
  const child = spawn(process.execPath, [WRITER, directory, id, String(count)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  let seen = 0;
  const wanted: { readonly number: number; readonly tell: () => void }[] = [];
  lines.on("line", () => {
    seen += 1;
    for (const { number, tell } of wanted) if (seen >= number) tell();
  });
  return {
    child,
    count: () => seen,
    acknowledged: (number: number) => new Promise<void>((tell) => wanted.push({ number, tell })),
    ended: Promise.all([once(child, "exit"), once(lines, "close")]).then(([[code]]) => code as number | null),
  };
}
