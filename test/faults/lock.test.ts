import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError } from "../../shared/index.ts";
import { withLock, type HeldLock } from "../../shared/lock.ts";
import { thisOwner, type Owner } from "../../shared/owner.ts";
import { makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";
import { mountTmpfs, remountReadOnly, unmountAll } from "./mounts.ts";

const HOLDER = programOf("faults/lock-holder");
/** The least the lock library allows. */
const STALE_SECONDS = 2;
const ROUNDS = Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 12) || 200;

describe("the lock on a cache", function () {
  this.timeout(3_600_000);
  let place: string;
  let state: string;
  let lock: string;

  beforeEach(() => {
    place = makePlace("library");
    state = makePlace("state");
    lock = join(place, "cache.lock");
  });

  after(() => {
    for (const child of children) child.kill("SIGKILL");
    unmountAll();
  });

  it("is held by one process at a time", async () => {
    const log = join(place, "log");
    await contenders(4, log, [-ROUNDS, 2, 60]);
    assertNoOverlap(log, 4 * ROUNDS);
    assert.ok(!existsSync(lock));
  });

  it("has one owner after six processes found it abandoned at the same moment, each time", async () => {
    const log = join(place, "log");
    const all = contenders(6, log, [ROUNDS, 100, 0]);
    for (let round = 0; round < ROUNDS; round += 1) {
      while (!existsSync(`${log}.ready.${round}`) || readFileSync(`${log}.ready.${round}`).length < 6) await delay(2);
      mkdirSync(lock);
      utimesSync(lock, 1, 1);
      writeFileSync(`${log}.go.${round}`, "");
    }
    await all;
    const owned = assertNoOverlap(log);
    assert.deepEqual(
      [...new Set(owned.map(({ round }) => round))],
      Array.from({ length: ROUNDS }, (_, n) => n),
    );
  });

  it("of a process that was killed is taken over at once", async () => {
    const holder = await startHolder();
    assert.equal(await codeOf(() => take(0)), "locked");
    holder.child.kill("SIGKILL");
    await once(holder.child, "exit");
    assert.equal(await codeOf(() => take(0)), "ok");
    assert.deepEqual(readdirSync(place), []);
  });

  it("is lost by a process that was stopped for too long, which notices and leaves the new owner alone", async () => {
    const holder = await startHolder();
    holder.child.kill("SIGSTOP");
    await take(60, async (held) => {
      holder.child.kill("SIGCONT");
      assert.equal(await holder.say("check"), "locked");
      assert.equal(await holder.say("release"), "released");
      held.assertHeld();
    });
    assert.deepEqual(readdirSync(place), []);
  });

  it("is kept by a process whose main thread is busy for much longer than a lock lives", async () => {
    const holder = await startHolder();
    const blocked = holder.say(`block ${STALE_SECONDS * 2500}`);
    assert.equal(await codeOf(() => take(STALE_SECONDS * 1.8)), "locked");
    assert.equal(await blocked, "ok");
    assert.equal(await holder.say("release"), "released");
  });

  const self = thisOwner();
  const foreign: readonly (readonly [string, Owner])[] = [
    ["another host", { ...self, host: "elsewhere", pid: 1 }],
    ["another container", { ...self, namespace: "pid:[1]", pid: 2_000_000_000 }],
  ];
  for (const [where, owner] of foreign) {
    it(`of ${where} is respected while it is fresh and taken over once it is not`, async () => {
      mkdirSync(lock);
      writeFileSync(join(lock, "owner.json"), JSON.stringify({ ...owner, token: "theirs" }));
      // Fresh, however long it takes to get there.
      const later = Date.now() / 1000 + 600;
      utimesSync(lock, later, later);
      await assert.rejects(take(0), (error) => {
        assert.ok(error instanceof CacheOpsError);
        assert.equal(error.code, "locked");
        assert.ok(error.message.includes(`process ${owner.pid} on ${owner.host}`), error.message);
        return true;
      });
      utimesSync(lock, 1, 1);
      assert.equal(await codeOf(() => take(0)), "ok");
      assert.deepEqual(readdirSync(place), []);
    });
  }

  it("of a process of this host that is no longer the one with its number is taken over at once", async () => {
    mkdirSync(lock);
    writeFileSync(join(lock, "owner.json"), JSON.stringify({ ...self, startedAt: "1", token: "theirs" }));
    assert.equal(await codeOf(() => take(0)), "ok");
  });

  it("names the process that holds it", async () => {
    const holder = await startHolder();
    await assert.rejects(take(0), new RegExp(`process ${holder.child.pid} on `));
    assert.equal(await holder.say("release"), "released");
  });

  it("reports a directory that is gone and a file system that is read-only, and waits for neither", async () => {
    lock = join(place, "missing", "cache.lock");
    await assert.rejects(take(3600), { code: "ENOENT" });
    const mount = mountTmpfs("1m");
    remountReadOnly(mount);
    lock = join(mount, "cache.lock");
    await assert.rejects(take(3600), { code: "EROFS" });
  });

  it("is released when the work throws, and not given before", async () => {
    await assert.rejects(
      take(0, async (held) => {
        held.assertHeld();
        assert.equal(await codeOf(() => take(0)), "locked");
        throw new Error("the work failed");
      }),
      /the work failed/,
    );
    assert.deepEqual(readdirSync(place), []);
  });

  async function take(waitSeconds: number, work: (held: HeldLock) => Promise<void> = async () => undefined) {
    const { signal } = new AbortController();
    await withLock(
      lock,
      "the cache",
      { guardDirectory: state, signal, waitSeconds, staleSeconds: STALE_SECONDS },
      work,
    );
  }

  async function startHolder() {
    const child = spawn(process.execPath, [HOLDER, "hold", lock, state, String(STALE_SECONDS)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.add(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value as string;
    assert.equal(await next(), "held");
    return {
      child,
      say(line: string): Promise<string> {
        child.stdin.write(`${line}\n`);
        return next();
      },
    };
  }

  async function contenders(count: number, log: string, numbers: readonly number[]): Promise<void> {
    const runs = Array.from({ length: count }, async (_, id) => {
      const args = [HOLDER, "contend", lock, state, "15", log, String(id), ...numbers.map(String)];
      const child = spawn(process.execPath, args, { stdio: "inherit" });
      children.add(child);
      const [code] = (await once(child, "exit")) as [number];
      assert.equal(code, 0);
    });
    await Promise.all(runs);
  }
});

const children = new Set<ChildProcess>();

interface Owned {
  readonly id: string;
  readonly round: number;
  readonly from: bigint;
  readonly to: bigint;
}

/** Reads who held the lock when; all clocks are the same monotonic one. */
function assertNoOverlap(log: string, expected?: number): Owned[] {
  const lines = readFileSync(log, "utf8").trim().split("\n");
  const owned = lines
    .map((line) => JSON.parse(line) as { id: string; round: number; from: string; to: string })
    .map(({ id, round, from, to }): Owned => ({ id, round, from: BigInt(from), to: BigInt(to) }))
    .toSorted((a, b) => (a.from < b.from ? -1 : 1));
  for (const [index, { from }] of owned.entries()) {
    const before = owned[index - 1];
    assert.ok(before === undefined || before.to <= from, `two owners: ${lines.join(" ")}`);
  }
  if (expected !== undefined) assert.equal(owned.length, expected);
  return owned.toSorted((a, b) => a.round - b.round);
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (error) {
    if (error instanceof CacheOpsError) return error.code;
    throw error;
  }
}
