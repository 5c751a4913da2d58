import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";

import { openEmbeddedStore } from "../../../shared/caches/managed/embedded-store.ts";
import { makePlace } from "../../support/place.ts";
import { programOf } from "../../support/program.ts";
import { describeManagedStore } from "./store-conformance.ts";
import { managedCache } from "./store-settings.ts";

const WRITER = programOf("shared/managed/store-writer");
const FILMS = managedCache();

/** What the store needs of a context, with a state directory of its own. */
const makeStoreContext = (now = () => Date.now()) => ({
  now,
  stateDirectory: makePlace("state"),
  state: () => assert.fail("the state store is not needed"),
});

type StoreContext = ReturnType<typeof makeStoreContext>;

const fileOf = ({ stateDirectory }: StoreContext) => join(stateDirectory, "managed.db");

/** Works on the file as another program would. */
function onFile<T>(context: StoreContext, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(fileOf(context));
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const sumsOf = (context: StoreContext) =>
  onFile(context, (database) => ({
    ...database
      .prepare("SELECT count(*) AS directories, sum(bytes) AS bytes, sum(pinned) AS pinned FROM entries")
      .get(),
  }));

describeManagedStore("embedded", () => {
  const context = makeStoreContext();
  return (cache) => openEmbeddedStore(cache, context);
});

describe("the file of the embedded register", () => {
  it("holds the registers of all caches, each for itself", async () => {
    const context = makeStoreContext();
    const films = await openEmbeddedStore(FILMS, context);
    const music = await openEmbeddedStore(managedCache({ name: "music", ttl: "1d" }), context);
    await films.register([{ path: "a", bytes: 1, files: 1 }], 5);
    await music.register([{ path: "a", bytes: 20, files: 2 }], 6);
    await music.touch("a", 7);
    await music.touch("b", 7);
    await music.setPinned("a", true);
    await music.countEvictions(1, 2);
    const lease = await films.lease("a", 60);
    assert.ok(await music.lease("a", 60));
    await lease?.assertHeld();
    const none = { hits: 0, misses: 0, evictions: 0, reclaimedBytes: 0 };
    assert.deepEqual(await films.totals(), { directories: 1, bytes: 1, pinned: 0, ...none });
    assert.deepEqual(await music.totals(), {
      directories: 1,
      bytes: 20,
      pinned: 1,
      hits: 1,
      misses: 1,
      evictions: 1,
      reclaimedBytes: 2,
    });
    assert.equal(await music.forget(["a"]), 1);
    assert.deepEqual([(await films.get("a"))?.bytes, await music.get("a")], [1, undefined]);
    assert.equal((await films.candidates()).count, 1);
    await films.close();
    await music.close();
  });

  it("applies a TTL that was changed to what is registered already", async () => {
    const context = makeStoreContext();
    const before = await openEmbeddedStore(FILMS, context);
    await before.register([{ path: "a", bytes: 1, files: 1 }], 1000);
    await before.close();
    const after = await openEmbeddedStore(managedCache({ ttl: "2s" }), context);
    assert.equal((await after.get("a"))?.expiresAt, 3000);
    assert.deepEqual((await after.candidates()).expiresAt, new Float64Array([3000]));
    await after.close();
  });

  it("tells the end of a lease by the clock it was given, to the millisecond", async () => {
    let now = 1_000_000;
    const context = makeStoreContext(() => now);
    const store = await openEmbeddedStore(FILMS, context);
    const lost = await store.lease("a", 1.5);
    assert.ok(lost);
    now += 1499;
    await lost.assertHeld();
    assert.equal(await store.lease("a", 60), undefined);
    now += 1;
    await assert.rejects(lost.assertHeld(), { code: "locked" });
    const next = await store.lease("a", 60);
    await lost.release();
    await next?.assertHeld();
    assert.ok(next);
    await next.release();
    assert.equal(onFile(context, (database) => database.prepare("SELECT * FROM leases").all()).length, 0);
    await store.close();
  });

  it("stores all of a registration or nothing of it", async () => {
    const context = makeStoreContext();
    const store = await openEmbeddedStore(FILMS, context);
    const good = { path: "a", bytes: 1, files: 1 };
    await assert.rejects(store.register([good, { path: "b", bytes: 0.5, files: 1 }], 5), { code: "unavailable" });
    assert.equal(await store.get("a"), undefined);
    assert.equal((await store.totals()).bytes, 0);
    await store.register([good], 5);
    await store.close();
  });

  it("sums up more bytes than an integer of JavaScript can hold", async () => {
    const context = makeStoreContext();
    const store = await openEmbeddedStore(FILMS, context);
    const bytes = Number.MAX_SAFE_INTEGER;
    const registrations = Array.from({ length: 3 }, (_, number) => ({ path: String(number), bytes, files: 1 }));
    await store.register(registrations, 5);
    await store.countEvictions(1, bytes);
    await store.countEvictions(1, bytes);
    const { bytes: sum, reclaimedBytes } = await store.totals();
    assert.deepEqual([sum, reclaimedBytes], [3 * bytes, 2 * bytes]);
    await store.close();
  });

  it("holds everything that returned before kill -9, and its sums with it", async function () {
    this.timeout(300_000);
    const context = makeStoreContext();
    for (const [round, after] of [1, 30, 200, 500].entries()) {
      const writer = startWriter(context, `round${round}`, 2000);
      await writer.acknowledged(after);
      writer.child.kill("SIGKILL");
      await writer.ended;
      const done = writer.count();
      assert.ok(done < 2000, "it was killed in the middle");
      const store = await openEmbeddedStore(FILMS, context);
      for (let number = 0; number < done; number += 1) {
        const entry = await store.get(`round${round}/${number}`);
        assert.deepEqual([number, entry?.bytes], [number, number % 3 === 0 ? undefined : number]);
      }
      const { directories, bytes, pinned, evictions } = await store.totals();
      assert.deepEqual({ directories, bytes, pinned }, sumsOf(context));
      assert.ok(evictions >= Math.ceil(done / 3), `${evictions} evictions of ${done} rounds`);
      await store.close();
    }
  });

  it("takes six processes at once, with every directory and every count of each", async function () {
    this.timeout(300_000);
    const context = makeStoreContext();
    const writers = Array.from({ length: 6 }, (_, id) => startWriter(context, String(id), 150));
    assert.deepEqual(await Promise.all(writers.map(({ ended }) => ended)), [0, 0, 0, 0, 0, 0]);
    const store = await openEmbeddedStore(FILMS, context);
    const evicted = Array.from({ length: 50 }, (_, number) => number * 3).reduce((sum, number) => sum + number, 0);
    assert.deepEqual(await store.totals(), {
      directories: 601,
      bytes: 6 * ((150 * 149) / 2 - evicted),
      pinned: 0,
      hits: 900,
      misses: 900,
      evictions: 300,
      reclaimedBytes: 6 * evicted,
    });
    assert.equal((await store.get("shared"))?.accesses, 900);
    await store.close();
  });

  it("of a newer program is refused and stays as it is", async () => {
    const context = makeStoreContext();
    await (await openEmbeddedStore(FILMS, context)).close();
    onFile(context, (database) => database.exec("PRAGMA user_version = 1000"));
    const before = readFileSync(fileOf(context));
    await assert.rejects(openEmbeddedStore(FILMS, context), {
      code: "unavailable",
      message: /newer cache-ops/,
      hint: /./,
    });
    assert.deepEqual(readFileSync(fileOf(context)), before);
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
    it(`that is ${what} is refused and stays, byte for byte`, async () => {
      const context = makeStoreContext();
      write(fileOf(context));
      const before = readFileSync(fileOf(context));
      await assert.rejects(openEmbeddedStore(FILMS, context), { code: "corrupt", hint: /Move it/ });
      assert.deepEqual(readFileSync(fileOf(context)), before);
      assert.ok(!existsSync(`${fileOf(context)}-wal`));
    });
  }

  it("that is damaged is reported with what to do, and not taken for empty", async () => {
    const context = makeStoreContext();
    const store = await openEmbeddedStore(FILMS, context);
    const path = (number: number) => `artist ${number}/album`;
    await store.register(
      Array.from({ length: 5000 }, (_, number) => ({ path: path(number), bytes: 1, files: 1 })),
      5,
    );
    await store.close();
    const bytes = readFileSync(fileOf(context));
    bytes.fill(0xa5, 8192);
    writeFileSync(fileOf(context), bytes);
    const refused = { code: "corrupt", message: /damaged/, hint: /Move it/ };
    await assert.rejects(async () => {
      const damaged = await openEmbeddedStore(FILMS, context);
      try {
        await damaged.candidates();
      } finally {
        await damaged.close();
      }
    }, refused);
    assert.deepEqual(readFileSync(fileOf(context)), bytes);
  });
});

function startWriter({ stateDirectory }: StoreContext, id: string, count: number) {
  const child = spawn(execPath, [WRITER, stateDirectory, id, String(count)], { stdio: ["ignore", "pipe", "inherit"] });
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
