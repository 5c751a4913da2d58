import assert from "node:assert/strict";
import { env } from "node:process";

import fc from "fast-check";

import { openEmbeddedStore } from "../../../shared/caches/managed/embedded-store.ts";
import type { Lease, ManagedEntry, ManagedStore, Registration } from "../../../shared/caches/managed/managed-store.ts";
import { EVICTION_POLICIES, type EvictionPolicy } from "../../../shared/caches/managed/settings.ts";
import { chooseVictims } from "../../../shared/caches/managed/victims.ts";
import { makePlace } from "../../support/place.ts";
import { managedCache } from "./store-settings.ts";
import { answerOf, askOracle, type Answer } from "./victims-oracle.ts";

/** How many sequences of commands are run: 100,000 with CACHE_OPS_MODEL_RUNS=100000. */
const RUNS = Number(env["CACHE_OPS_MODEL_RUNS"] ?? 300);
/** The same seed, the same commands: CACHE_OPS_MODEL_SEED. Another one each time when it is not set. */
const SEED = env["CACHE_OPS_MODEL_SEED"];
const TTL_MS = 20_000;
/** So far apart are the times of two runs: what one leased has ended when the next begins. */
const RUN_MS = 100_000_000;
const REFILL = 100;

/** The register as anybody would keep it who had no need to be fast or to survive. */
interface Model {
  readonly entries: Map<string, Omit<ManagedEntry, "path" | "expiresAt">>;
  /** Leases, also those that have ended, in the order they were taken. */
  readonly leases: { readonly path: string; readonly until: number; isOver: boolean }[];
  readonly counts: { hits: number; misses: number; evictions: number; reclaimedBytes: number };
}

/** The store, opened twice as by two processes, and its clock. */
interface Real {
  readonly name: string;
  readonly clock: { now: number };
  readonly stores: ManagedStore[];
  /** In the model's order. Whoever closed the store a lease is of cannot use it any more; it lasts all the same. */
  readonly leases: { readonly who: number; readonly lease: Lease | undefined }[];
}

type Command = fc.AsyncCommand<Model, Real>;

const command = (what: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run,
  toString: () => what,
});

const storeOf = ({ stores }: Real, who: number): ManagedStore => stores[who] ?? assert.fail("there is no such store");

const entriesOf = (model: Model): ManagedEntry[] =>
  [...model.entries].map(([path, entry]) => ({ path, ...entry, expiresAt: entry.accessedAt + TTL_MS }));

function register(who: number, registrations: readonly (Registration & { readonly ago: number | undefined })[]) {
  return command(`register ${JSON.stringify(registrations)} (${who})`, async ({ entries }, real) => {
    const { now } = real.clock;
    const said = registrations.map(({ ago, ...rest }) =>
      ago === undefined ? rest : { ...rest, accessedAt: now - ago },
    );
    await storeOf(real, who).register(said, now);
    for (const { path, bytes, files, refillSeconds, accessedAt } of said) {
      const known = entries.get(path);
      entries.set(path, {
        bytes,
        files,
        registeredAt: known?.registeredAt ?? now,
        accessedAt: known === undefined ? (accessedAt ?? now) : Math.max(known.accessedAt, accessedAt ?? 0),
        accesses: known?.accesses ?? 0,
        isPinned: known?.isPinned ?? false,
        refillSeconds: refillSeconds ?? known?.refillSeconds ?? null,
      });
    }
  });
}

function touch(who: number, path: string, ago: number) {
  return command(`touch ${path} ${ago} ms ago (${who})`, async ({ entries, counts }, real) => {
    const at = real.clock.now - ago;
    const known = entries.get(path);
    assert.equal(await storeOf(real, who).touch(path, at), known !== undefined);
    if (known === undefined) {
      counts.misses += 1;
      return;
    }
    counts.hits += 1;
    entries.set(path, { ...known, accessedAt: Math.max(known.accessedAt, at), accesses: known.accesses + 1 });
  });
}

function pin(who: number, path: string, isPinned: boolean) {
  return command(`${isPinned ? "pin" : "unpin"} ${path} (${who})`, async ({ entries }, real) => {
    const known = entries.get(path);
    assert.equal(await storeOf(real, who).setPinned(path, isPinned), known !== undefined);
    if (known !== undefined) entries.set(path, { ...known, isPinned });
  });
}

function forget(who: number, paths: readonly string[]) {
  return command(`forget ${paths.join(" ")} (${who})`, async ({ entries }, real) => {
    assert.equal(await storeOf(real, who).forget(paths), paths.filter((path) => entries.delete(path)).length);
  });
}

function wait(ms: number) {
  return command(`wait ${ms} ms`, async (_, { clock }) => {
    clock.now += ms;
  });
}

function reopen(who: number) {
  return command(`reopen (${who})`, async (_, real) => {
    await storeOf(real, who).close();
    real.stores[who] = await openModelStore(real);
    for (const [place, lease] of real.leases.entries())
      if (lease.who === who) real.leases[place] = { who, lease: undefined };
  });
}

/** Whether nobody else holds a directory now. */
const isFree = ({ leases }: Model, path: string, now: number) =>
  !leases.some((lease) => lease.path === path && !lease.isOver && lease.until > now);

function takeLease(who: number, path: string, seconds: number) {
  return command(`lease ${path} for ${seconds} s (${who})`, async (model, real) => {
    const { now } = real.clock;
    const lease = await storeOf(real, who).lease(path, seconds);
    assert.equal(lease !== undefined, isFree(model, path, now));
    if (lease === undefined) return;
    real.leases.push({ who, lease });
    model.leases.push({ path, until: now + seconds * 1000, isOver: false });
  });
}

function useLease(number: number, isReleased: boolean) {
  return command(`${isReleased ? "release" : "check"} lease ${number}`, async ({ leases }, real) => {
    const lease = real.leases[number]?.lease;
    const known = leases[number];
    if (lease === undefined || known === undefined) return;
    if (known.isOver || known.until <= real.clock.now) await assert.rejects(lease.assertHeld(), { code: "locked" });
    else await lease.assertHeld();
    if (!isReleased) return;
    await lease.release();
    known.isOver = true;
  });
}

interface Request {
  readonly policy: EvictionPolicy;
  readonly share: number;
  readonly maxAgeMs: number | undefined;
  readonly exempt: ReadonlySet<string>;
}

function evict(who: number, request: Request) {
  const { policy, share, maxAgeMs, exempt } = request;
  const what = `evict ${share} by ${policy}, age ${maxAgeMs}, not ${[...exempt].join(" ")} (${who})`;
  return command(what, async (model, real) => {
    const { now } = real.clock;
    const store = storeOf(real, who);
    const candidates = await store.candidates();
    const entries = entriesOf(model);
    const neededBytes = Math.ceil(entries.reduce((sum, { bytes }) => sum + bytes, 0) * share);
    const rules = { policy, neededBytes, now, maxAgeMs, refillBytesPerSecond: REFILL };
    const isExempt = (index: number) => exempt.has(candidates.pathOf(index));
    const answer = answerOf(chooseVictims(candidates, { ...rules, isExempt }), candidates);
    assert.deepEqual(answer, askOracle(entries, { ...rules, exempt }));
    assertPromises(answer, entries, { neededBytes, exempt });
    for (const [path] of answer.victims) {
      const lease = await store.lease(path, 5);
      assert.equal(lease !== undefined, isFree(model, path, now));
      if (lease === undefined) continue;
      await lease.assertHeld();
      const bytes = model.entries.get(path)?.bytes ?? assert.fail("it is not registered");
      assert.equal(await store.forget([path]), 1);
      await store.countEvictions(1, bytes);
      await lease.release();
      model.entries.delete(path);
      model.counts.evictions += 1;
      model.counts.reclaimedBytes += bytes;
    }
  });
}

/** What is promised to whoever evicts, whatever the policy. */
function assertPromises(
  { victims, freedBytes, missingBytes }: Answer,
  entries: readonly ManagedEntry[],
  { neededBytes, exempt }: { readonly neededBytes: number; readonly exempt: ReadonlySet<string> },
): void {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const [path] of victims) assert.ok(byPath.get(path)?.isPinned === false && !exempt.has(path), path);
  assert.equal(new Set(victims.map(([path]) => path)).size, victims.length, "nobody goes twice");
  assert.ok(freedBytes + missingBytes >= neededBytes, "what is needed is freed, or said to be missing");
  assert.ok(missingBytes === 0 || freedBytes + missingBytes === neededBytes, "what is missing is missing");
  const last = victims.at(-1);
  if (last?.[1] === "over_quota") {
    assert.ok(freedBytes - (byPath.get(last[0])?.bytes ?? 0) < neededBytes, "and not one directory more");
  }
}

/** Everything the store says, against the model. */
async function compare(model: Model, real: Real): Promise<void> {
  const entries = entriesOf(model);
  entries.sort(
    (one, other) => one.accessedAt - other.accessedAt || Buffer.compare(Buffer.from(one.path), Buffer.from(other.path)),
  );
  for (const store of real.stores) {
    assert.deepEqual(await store.list({ offset: 0, limit: 1000, newestFirst: false }), entries);
    assert.deepEqual(await store.totals(), {
      directories: entries.length,
      bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
      pinned: entries.filter(({ isPinned }) => isPinned).length,
      ...model.counts,
    });
  }
}

const WHO = fc.constantFrom(0, 1);
const PATH = fc.constantFrom("a", "b", "c", "d/e", "d/f", "ä", "a\u0308", "dir:x", "[*]?", " ");
const AGO = fc.constantFrom(0, 1, 500, 30_000);
const REGISTRATION = fc.record({
  path: PATH,
  bytes: fc.constantFrom(0, 1, 2, 50, 51, 10_000, 2 ** 40),
  files: fc.nat(3),
  refillSeconds: fc.constantFrom(undefined, 0, 0.5, 1, 3600),
  ago: fc.option(AGO, { nil: undefined }),
});
const REQUEST = fc.record({
  policy: fc.constantFrom(...EVICTION_POLICIES),
  share: fc.constantFrom(0, 0.1, 0.5, 0.9, 1, 1.5),
  maxAgeMs: fc.constantFrom(undefined, 1, 1000, 60_000),
  exempt: fc.array(PATH, { maxLength: 3 }).map((paths) => new Set(paths)),
});
const COMMANDS = [
  fc.tuple(WHO, fc.array(REGISTRATION, { maxLength: 6 })).map((words) => register(...words)),
  fc.tuple(WHO, PATH, AGO).map((words) => touch(...words)),
  fc.tuple(WHO, PATH, fc.boolean()).map((words) => pin(...words)),
  fc.tuple(WHO, fc.array(PATH, { maxLength: 3 })).map((words) => forget(...words)),
  fc.constantFrom(1, 500, 5000, 20_000, 60_000).map(wait),
  fc.tuple(WHO, PATH, fc.constantFrom(0.5, 5, 60)).map((words) => takeLease(...words)),
  fc.tuple(fc.nat(3), fc.boolean()).map((words) => useLease(...words)),
  fc.tuple(WHO, REQUEST).map((words) => evict(...words)),
  fc.tuple(WHO, REQUEST).map((words) => evict(...words)),
  WHO.map(reopen),
];

let stateDirectory = "";

/** All runs share the file; each has a cache of its own in it. */
const openModelStore = ({ name, clock }: Pick<Real, "name" | "clock">) =>
  openEmbeddedStore(managedCache({ name, ttl: `${TTL_MS / 1000}s` }), {
    now: () => clock.now,
    stateDirectory,
    state: () => assert.fail("the state store is not needed"),
  });

describe("the register and the policies, run by run against a model", () => {
  it("do what the model does, whatever the commands and their order", async function () {
    this.timeout(0);
    stateDirectory = makePlace("state");
    let run = 0;
    // While somebody has it open, closing it does not wait for the disk.
    const keeper = await openModelStore({ name: "keeper", clock: { now: 0 } });
    await fc.assert(
      fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 30, size: "max" }), async (commands) => {
        const setup = await begin((run += 1));
        await fc.asyncModelRun(() => setup, commands);
        await compare(setup.model, setup.real);
        for (const store of setup.real.stores) await store.close();
      }),
      { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
    );
    await keeper.close();
  });
});

/** What a run begins with. */
async function begin(run: number): Promise<{ readonly model: Model; readonly real: Real }> {
  const counts = { hits: 0, misses: 0, evictions: 0, reclaimedBytes: 0 };
  const place = { name: `run${run}`, clock: { now: run * RUN_MS } };
  const stores = [await openModelStore(place), await openModelStore(place)];
  return { model: { entries: new Map(), leases: [], counts }, real: { ...place, stores, leases: [] } };
}
