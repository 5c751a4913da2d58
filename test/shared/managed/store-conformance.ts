import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import type { ManagedEntry, ManagedStore, Registration } from "../../../shared/caches/managed/managed-store.ts";
import type { ManagedCache } from "../../../shared/caches/managed/settings.ts";
import { managedCache } from "./store-settings.ts";

/** Opens the register of a cache; what is opened twice is one register. The suite closes it. */
export type OpenStore = (cache: ManagedCache) => Promise<ManagedStore>;

/** Names that have broken programs: each is a directory of its own, and comes back as it was. */
export const HOSTILE_PATHS: readonly string[] = [
  "The Film (2024) [1080p]",
  " spaces at the ends ",
  "Am\u00e9lie",
  "Ame\u0301lie",
  "line\nbreak\r\n\ttab",
  "*",
  "?",
  "[ab]",
  "a*b?c[d]e{f}",
  "dir:inside",
  "dir:dir:",
  "below/dir:x/dir:y",
  "cache:lru",
  "lock:dir:x",
  ".hidden",
  "...",
  "..a",
  "-rf",
  "a\\b",
  "'; DROP TABLE entries; --",
  '"quoted"',
  "%s%n%2e%2e",
  "__proto__",
  "constructor",
  "日本 🎬",
  "\u202egnp.exe",
  "\ufffd",
  "\u{10ffff}",
  "0",
  "true",
  "null",
  "CASE",
  "case",
  Array.from({ length: 8 }, (_, level) => `${level}${"x".repeat(254)}`).join("/"),
  "ü".repeat(127),
];

const DAY = 86_400_000;
/** The time of most tests: now, so that a server that looks at its own clock agrees. */
const AT = Date.now();

/** A registration of so many bytes, one file for each hundred begun. */
function said(path: string, bytes = 100, more: Partial<Registration> = {}): Registration {
  return { path, bytes, files: Math.ceil(bytes / 100), ...more };
}

function entryOf(path: string, parts: Partial<ManagedEntry> = {}): ManagedEntry {
  return {
    path,
    bytes: 100,
    files: 1,
    registeredAt: AT,
    accessedAt: AT,
    expiresAt: null,
    accesses: 0,
    isPinned: false,
    refillSeconds: null,
    ...parts,
  };
}

const NONE = { directories: 0, bytes: 0, pinned: 0, hits: 0, misses: 0, evictions: 0, reclaimedBytes: 0 };

/**
 * What every register of managed directories must do. `makePlace` is called once for each test and gives a way to open
 * registers in a place where none is yet.
 */
export function describeManagedStore(name: string, makePlace: () => OpenStore | Promise<OpenStore>): void {
  describe(`the ${name} register of managed directories`, () => {
    let open: OpenStore;
    const opened: ManagedStore[] = [];
    const openOne = async (settings: Partial<ManagedCache> = {}) => {
      const store = await open(managedCache(settings));
      opened.push(store);
      return store;
    };
    const closeAll = async () => {
      for (const store of opened.splice(0)) await store.close();
    };
    const pathsOf = async (store: ManagedStore, newestFirst = false, offset = 0, limit = 1000) =>
      (await store.list({ offset, limit, newestFirst })).map(({ path }) => path);

    beforeEach(async () => {
      open = await makePlace();
    });
    afterEach(closeAll);

    it("is empty at first", async () => {
      const store = await openOne();
      assert.equal(store.name, name);
      assert.deepEqual(await store.totals(), NONE);
      assert.deepEqual(await pathsOf(store), []);
      assert.equal(await store.get("a"), undefined);
      assert.equal((await store.candidates()).count, 0);
    });

    it("registers a directory, and again after it was closed and opened", async () => {
      await (await openOne()).register([said("a/b", 250, { refillSeconds: 1.5 })], AT);
      await closeAll();
      const store = await openOne();
      assert.deepEqual(await store.get("a/b"), entryOf("a/b", { bytes: 250, files: 3, refillSeconds: 1.5 }));
      assert.deepEqual(await store.totals(), { ...NONE, directories: 1, bytes: 250 });
    });

    it("corrects the size when a directory is registered again, and changes nothing else", async () => {
      const store = await openOne({ ttl: "7d" });
      await store.register([said("a", 1000, { refillSeconds: 7 }), said("b", 50)], AT);
      await store.touch("a", AT + 5);
      await store.setPinned("a", true);
      for (let time = 0; time < 3; time += 1) await store.register([said("a", 800)], AT + 1000);
      assert.deepEqual(
        await store.get("a"),
        entryOf("a", {
          bytes: 800,
          files: 8,
          accessedAt: AT + 5,
          expiresAt: AT + 5 + 7 * DAY,
          accesses: 1,
          isPinned: true,
          refillSeconds: 7,
        }),
      );
      await store.register([said("a", 0, { refillSeconds: 0 })], AT);
      assert.equal((await store.get("a"))?.refillSeconds, 0);
      assert.deepEqual(await store.totals(), { ...NONE, directories: 2, bytes: 50, pinned: 1, hits: 1 });
    });

    it("counts a directory once that is registered twice in one go: what was said last holds", async () => {
      const store = await openOne();
      await store.register([said("a", 1), said("a", 2), said("b", 4), said("a", 300)], AT);
      assert.deepEqual(await store.totals(), { ...NONE, directories: 2, bytes: 304 });
      assert.deepEqual(await store.get("a"), entryOf("a", { bytes: 300, files: 3 }));
    });

    it("takes the access that a registration says for a new directory, and later only moves it forward", async () => {
      const store = await openOne({ ttl: "7d" });
      await store.register([said("a", 100, { accessedAt: AT - 2 * DAY })], AT);
      assert.deepEqual(await store.get("a"), entryOf("a", { accessedAt: AT - 2 * DAY, expiresAt: AT + 5 * DAY }));
      for (const [told, expected] of [
        [AT - DAY, AT - DAY],
        [AT - 3 * DAY, AT - DAY],
        [undefined, AT - DAY],
        [AT, AT],
      ] as const) {
        await store.register([said("a", 100, { accessedAt: told })], AT + 1);
        assert.deepEqual(await store.get("a"), entryOf("a", { accessedAt: expected, expiresAt: expected + 7 * DAY }));
      }
    });

    it("takes times with a fraction, as file systems give them, to the millisecond", async () => {
      const store = await openOne();
      await store.register([said("a", 100, { accessedAt: AT - 1000 + 0.75 })], AT);
      const { accessedAt } = (await store.get("a")) ?? {};
      assert.ok(accessedAt === AT - 1000 || accessedAt === AT - 999, String(accessedAt));
    });

    it("counts a use as a hit and extends the TTL by it; one from earlier counts and moves nothing back", async () => {
      const store = await openOne({ ttl: "2d" });
      await store.register([said("a")], AT);
      assert.equal(await store.touch("a", AT + 5000), true);
      assert.equal(await store.touch("a", AT + 4000), true);
      assert.deepEqual(
        await store.get("a"),
        entryOf("a", { accessedAt: AT + 5000, expiresAt: AT + 5000 + 2 * DAY, accesses: 2 }),
      );
      const { hits, misses } = await store.totals();
      assert.deepEqual([hits, misses], [2, 0]);
    });

    it("counts a use of an unknown directory as a miss, and registers nothing", async () => {
      const store = await openOne();
      await store.register([said("a/b")], AT);
      for (const path of ["a", "a/b/c", "b", "A/B"]) assert.equal(await store.touch(path, AT), false);
      assert.deepEqual(await store.totals(), { ...NONE, directories: 1, bytes: 100, misses: 4 });
      assert.deepEqual(await pathsOf(store), ["a/b"]);
    });

    it("keeps an expired directory until it is forgotten; a use brings it back", async () => {
      const store = await openOne({ ttl: "7d" });
      await store.register([said("a"), said("b")], AT - 30 * DAY);
      const expired = { registeredAt: AT - 30 * DAY, accessedAt: AT - 30 * DAY, expiresAt: AT - 23 * DAY };
      assert.deepEqual(await store.get("a"), entryOf("a", expired));
      assert.deepEqual(await pathsOf(store), ["a", "b"]);
      assert.equal((await store.candidates()).count, 2);
      assert.equal(await store.touch("a", AT), true);
      const used = { registeredAt: AT - 30 * DAY, expiresAt: AT + 7 * DAY, accesses: 1 };
      assert.deepEqual(await store.get("a"), entryOf("a", used));
      assert.deepEqual(await store.totals(), { ...NONE, directories: 2, bytes: 200, hits: 1 });
    });

    it("pins and unpins what is registered", async () => {
      const store = await openOne();
      await store.register([said("a"), said("b")], AT);
      assert.equal(await store.setPinned("a", true), true);
      assert.equal(await store.setPinned("a", true), true);
      assert.equal(await store.setPinned("c", true), false);
      assert.equal((await store.totals()).pinned, 1);
      assert.deepEqual(await store.get("a"), entryOf("a", { isPinned: true }));
      assert.equal(await store.setPinned("a", false), true);
      assert.deepEqual(await store.get("a"), entryOf("a"));
      assert.deepEqual(await store.totals(), { ...NONE, directories: 2, bytes: 200 });
      assert.equal(await store.get("c"), undefined);
    });

    it("forgets directories, says how many it knew, and remembers nothing of them", async () => {
      const store = await openOne();
      await store.register([said("a", 100, { refillSeconds: 3 }), said("b"), said("c", 7)], AT);
      await store.touch("a", AT + 1);
      await store.setPinned("a", true);
      assert.equal(await store.forget(["a", "x", "b", "a"]), 2);
      assert.equal(await store.forget(["a"]), 0);
      assert.equal(await store.forget([]), 0);
      assert.deepEqual(await store.totals(), { ...NONE, directories: 1, bytes: 7, hits: 1 });
      assert.equal(await store.touch("a", AT), false);
      await store.register([said("a")], AT + 9);
      assert.deepEqual(await store.get("a"), entryOf("a", { registeredAt: AT + 9, accessedAt: AT + 9 }));
    });

    it("lists by last access, then by path, from either end and in pages", async () => {
      const store = await openOne();
      await store.register([said("d"), said("b"), said("ä"), said("c"), said("a")], AT);
      await store.touch("b", AT + 20);
      await store.touch("d", AT + 10);
      const order = ["a", "c", "ä", "d", "b"];
      assert.deepEqual(await pathsOf(store), order);
      assert.deepEqual(await pathsOf(store, true), order.toReversed());
      assert.deepEqual(await pathsOf(store, false, 1, 2), ["c", "ä"]);
      assert.deepEqual(await pathsOf(store, true, 3, 9), ["c", "a"]);
      assert.deepEqual(await pathsOf(store, false, 5, 2), []);
      assert.deepEqual(await pathsOf(store, false, 0, 0), []);
      const [newest] = await store.list({ offset: 0, limit: 1, newestFirst: true });
      assert.deepEqual(newest, await store.get("b"));
    });

    it("gives a policy the same that it says of each directory", async () => {
      const store = await openOne({ ttl: "7d" });
      const registrations = HOSTILE_PATHS.map((path, number) =>
        said(path, number * 1000, { accessedAt: AT - number, ...(number % 3 === 0 ? { refillSeconds: number } : {}) }),
      );
      await store.register(registrations, AT);
      for (const [number, path] of HOSTILE_PATHS.entries()) {
        if (number % 4 === 0) await store.setPinned(path, true);
        if (number % 5 === 0) await store.touch(path, AT + number);
      }
      const columns = await store.candidates();
      assert.equal(columns.count, HOSTILE_PATHS.length);
      const seen: string[] = [];
      for (let index = 0; index < columns.count; index += 1) {
        const path = columns.pathOf(index);
        seen.push(path);
        const { expiresAt, isPinned, refillSeconds, files: _, ...entry } = (await store.get(path)) ?? entryOf("none");
        assert.deepEqual(
          {
            path,
            bytes: columns.bytes[index],
            registeredAt: columns.registeredAt[index],
            accessedAt: columns.accessedAt[index],
            accesses: columns.accesses[index],
          },
          entry,
        );
        assert.equal(columns.expiresAt[index], expiresAt ?? Number.NaN);
        assert.equal(columns.refillSeconds[index], refillSeconds ?? Number.NaN);
        assert.equal(columns.pinned[index], isPinned ? 1 : 0);
      }
      assert.deepEqual(seen.toSorted(), HOSTILE_PATHS.toSorted());
    });

    it("says that without a TTL nothing expires", async () => {
      const store = await openOne();
      await store.register([said("a")], AT - 1000 * DAY);
      assert.equal((await store.get("a"))?.expiresAt, null);
      assert.deepEqual((await store.candidates()).expiresAt.slice(0, 1), new Float64Array([Number.NaN]));
    });

    it("keeps apart names that look alike, and takes no name for more than a name", async () => {
      const store = await openOne();
      await store.register(
        HOSTILE_PATHS.map((path, number) => said(path, number + 1)),
        AT,
      );
      const size = HOSTILE_PATHS.length;
      assert.deepEqual(await store.totals(), { ...NONE, directories: size, bytes: (size * (size + 1)) / 2 });
      await closeAll();
      const again = await openOne();
      for (const [number, path] of HOSTILE_PATHS.entries()) {
        assert.equal((await again.get(path))?.bytes, number + 1, path);
        assert.equal(await again.touch(path, AT), true, path);
        const lease = await again.lease(path, 60);
        await lease?.assertHeld();
        assert.ok(lease, path);
      }
      assert.deepEqual((await pathsOf(again)).toSorted(), HOSTILE_PATHS.toSorted());
      for (const [number, path] of HOSTILE_PATHS.entries()) {
        assert.equal(await again.forget([path]), 1, path);
        assert.equal((await again.totals()).directories, size - number - 1, path);
      }
      assert.equal((await again.totals()).bytes, 0);
    });

    it("keeps its counters over a restart", async () => {
      const first = await openOne();
      await first.register([said("a")], AT);
      await first.touch("a", AT);
      await first.touch("b", AT);
      await first.countEvictions(3, 5_000_000_000_000);
      await closeAll();
      const store = await openOne();
      await store.countEvictions(1, 1);
      const { hits, misses, evictions, reclaimedBytes } = await store.totals();
      assert.deepEqual([hits, misses, evictions, reclaimedBytes], [1, 1, 4, 5_000_000_000_001]);
    });

    it("sums up thousands of directories registered, corrected and forgotten in large batches", async () => {
      const store = await openOne();
      const path = (number: number) => `artist ${number % 100}/album ${number}`;
      const all = Array.from({ length: 5000 }, (_, number) => said(path(number), number));
      await store.register(all, AT);
      await store.register(
        all.slice(0, 2000).map(({ path }) => said(path, 10)),
        AT,
      );
      assert.equal(await store.forget(all.slice(1000, 3000).map(({ path }) => path)), 2000);
      const left =
        1000 * 10 + Array.from({ length: 2000 }, (_, number) => number + 3000).reduce((sum, n) => sum + n, 0);
      assert.deepEqual(await store.totals(), { ...NONE, directories: 3000, bytes: left });
      assert.equal((await pathsOf(store, false, 0, 10_000)).length, 3000);
      assert.equal((await store.candidates()).count, 3000);
    });

    it("is one register for all who opened it, and loses nothing that they do at once", async () => {
      const stores = await Promise.all([openOne(), openOne(), openOne()]);
      const [first] = stores;
      assert.ok(first);
      await Promise.all(stores.map((store) => store.register([said("a", 10), said("b", 20)], AT)));
      await Promise.all(
        Array.from({ length: 90 }, (_, number) =>
          (stores[number % 3] ?? first).touch(number % 2 === 0 ? "a" : "none", AT + number),
        ),
      );
      assert.deepEqual(await first.get("a"), entryOf("a", { bytes: 10, accessedAt: AT + 88, accesses: 45 }));
      assert.deepEqual(await first.totals(), { ...NONE, directories: 2, bytes: 30, hits: 45, misses: 45 });
      const forgotten = await Promise.all(stores.map((store) => store.forget(["a", "b"])));
      assert.equal(
        forgotten.reduce((sum, count) => sum + count, 0),
        2,
      );
      assert.deepEqual(await first.totals(), { ...NONE, hits: 45, misses: 45 });
    });

    it("leases a directory to one at a time, registered or not", async () => {
      const [first, second] = await Promise.all([openOne(), openOne()]);
      const lease = await first.lease("a", 60);
      assert.ok(lease);
      assert.equal(await second.lease("a", 60), undefined);
      assert.equal(await first.lease("a", 60), undefined);
      const other = await second.lease("b", 60);
      assert.ok(other);
      await lease.assertHeld();
      await lease.release();
      await assert.rejects(lease.assertHeld(), { name: "CacheOpsError", code: "locked", hint: /./ });
      const next = await second.lease("a", 60);
      await lease.release();
      await next?.assertHeld();
      assert.equal(await first.lease("a", 60), undefined);
      await other.assertHeld();
    });

    it("gives one of many who ask at once the lease", async () => {
      const [first, second] = await Promise.all([openOne(), openOne()]);
      const leases = await Promise.all(
        Array.from({ length: 50 }, (_, number) => (number % 2 === 0 ? first : second).lease("a", 60)),
      );
      assert.equal(leases.filter((lease) => lease !== undefined).length, 1);
    });

    it("passes on the lease of somebody who went away without a word, once it has ended", async () => {
      const [first, second] = await Promise.all([openOne(), openOne()]);
      assert.ok(await first.lease("a", 1));
      await first.close();
      opened.splice(opened.indexOf(first), 1);
      let next = await second.lease("a", 60);
      for (; next === undefined; next = await second.lease("a", 60)) await delay(50);
      await next.assertHeld();
    });

    it("tells whoever held a lease that it was lost, and does not let them take it from the next", async () => {
      const [first, second] = await Promise.all([openOne(), openOne()]);
      const lost = await first.lease("a", 1);
      assert.ok(lost);
      let next = await second.lease("a", 60);
      for (; next === undefined; next = await second.lease("a", 60)) await delay(50);
      await assert.rejects(lost.assertHeld(), { name: "CacheOpsError", code: "locked", hint: /./ });
      await lost.release();
      await next.assertHeld();
      assert.equal(await first.lease("a", 60), undefined);
    });
  });
}
