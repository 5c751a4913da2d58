import assert from "node:assert/strict";

import fc from "fast-check";

import type { ManagedEntry } from "../../../shared/caches/managed/managed-store.ts";
import { EVICTION_POLICIES } from "../../../shared/caches/managed/settings.ts";
import { chooseVictims } from "../../../shared/caches/managed/victims.ts";
import { answerOf, askOracle, candidatesOf, type Question } from "./victims-oracle.ts";

const NOW = 1_000_000;

const QUESTION: Question = {
  policy: "lru",
  neededBytes: 0,
  now: NOW,
  maxAgeMs: undefined,
  refillBytesPerSecond: 100,
  exempt: new Set(),
};

/** A directory of 100 bytes that was used at 1000. */
const entry = (path: string, parts: Partial<ManagedEntry> = {}): ManagedEntry => ({
  path,
  bytes: 100,
  files: 1,
  registeredAt: 500,
  accessedAt: 1000,
  expiresAt: null,
  accesses: 3,
  isPinned: false,
  refillSeconds: null,
  ...parts,
});

function choose(entries: readonly ManagedEntry[], parts: Partial<Question> = {}) {
  const { exempt, ...rules } = { ...QUESTION, ...parts };
  const candidates = candidatesOf(entries);
  const isExempt = (index: number) => exempt.has(candidates.pathOf(index));
  return answerOf(chooseVictims(candidates, { ...rules, isExempt }), candidates);
}

const pathsOf = ({ victims }: ReturnType<typeof choose>) => victims.map(([path]) => path).join(" ");

describe("choosing who goes", () => {
  it("chooses nobody when nothing is needed, expired or too old", () => {
    for (const neededBytes of [0, -5]) {
      const answer = choose([entry("a", { expiresAt: NOW + 1 }), entry("b")], { neededBytes, maxAgeMs: NOW });
      assert.deepEqual(answer, { victims: [], freedBytes: 0, missingBytes: 0 });
    }
    assert.deepEqual(choose([], { neededBytes: 7 }), { victims: [], freedBytes: 0, missingBytes: 7 });
  });

  it("goes by the policy", () => {
    const entries = [
      entry("unused", { accessedAt: 10 }),
      entry("rare", { accesses: 1, accessedAt: 5000 }),
      entry("early", { registeredAt: 100, accessedAt: 5001 }),
      entry("large", { bytes: 900, refillSeconds: 900 }),
      entry("cheap", { bytes: 50, refillSeconds: 0.25, accessedAt: 5002 }),
    ];
    for (const [policy, first] of [
      ["lru", "unused"],
      ["lfu", "rare"],
      ["fifo", "early"],
      ["largest", "large"],
      ["cost", "cheap"],
    ] as const) {
      assert.equal(pathsOf(choose(entries, { policy, neededBytes: 1 })), first, policy);
    }
  });

  it("breaks ties by last access, then by path, under every policy", () => {
    const entries = [entry("c"), entry("b"), entry("d", { accessedAt: 999 }), entry("a")];
    for (const policy of EVICTION_POLICIES) {
      assert.equal(pathsOf(choose(entries, { policy, neededBytes: 400 })), "d a b c", policy);
    }
  });

  it("frees what is needed and not one directory more", () => {
    const entries = ["a", "b", "c", "d"].map((path, number) => entry(path, { accessedAt: number }));
    for (const [neededBytes, expected] of [
      [1, "a"],
      [100, "a"],
      [101, "a b"],
      [300, "a b c"],
    ] as const) {
      assert.equal(pathsOf(choose(entries, { neededBytes })), expected);
    }
  });

  it("says how many bytes cannot be freed", () => {
    const entries = [entry("a"), entry("b", { isPinned: true }), entry("c"), entry("d")];
    const answer = choose(entries, { neededBytes: 350, exempt: new Set(["c"]) });
    assert.deepEqual([pathsOf(answer), answer.freedBytes, answer.missingBytes], ["a d", 200, 150]);
  });

  it("has what expired go to the millisecond, whatever is needed, and counts what it frees", () => {
    const entries = [
      entry("later", { expiresAt: NOW, accessedAt: 2 }),
      entry("not yet", { expiresAt: NOW + 1, accessedAt: 1 }),
      entry("sooner", { expiresAt: NOW - 1, accessedAt: 3, bytes: 0 }),
      entry("never", { accessedAt: 4 }),
    ];
    assert.deepEqual(choose(entries), {
      victims: [
        ["sooner", "expired"],
        ["later", "expired"],
      ],
      freedBytes: 100,
      missingBytes: 0,
    });
    assert.equal(pathsOf(choose(entries, { neededBytes: 100 })), "sooner later");
    assert.equal(pathsOf(choose(entries, { neededBytes: 101 })), "sooner later not yet");
  });

  it("has what is too old go to the millisecond, used or not; what has also expired goes for that", () => {
    const entries = [
      entry("used", { registeredAt: NOW - 500, accessedAt: NOW, accesses: 99 }),
      entry("younger", { registeredAt: NOW - 499 }),
      entry("both", { registeredAt: NOW - 800, expiresAt: 5 }),
      entry("older", { registeredAt: NOW - 600 }),
    ];
    assert.deepEqual(choose(entries, { maxAgeMs: 500 }).victims, [
      ["both", "expired"],
      ["older", "max_age"],
      ["used", "max_age"],
    ]);
    assert.equal(pathsOf(choose(entries, { maxAgeMs: undefined })), "both");
  });

  it("never has a pinned or an exempt one go, expired, too old or first in line", () => {
    const entries = [
      entry("pinned", { isPinned: true, expiresAt: 1, registeredAt: 0, accessedAt: 0 }),
      entry("exempt", { expiresAt: 1, registeredAt: 0, accessedAt: 0 }),
      entry("old and exempt", { registeredAt: 0, accessedAt: 0 }),
      entry("free", { registeredAt: NOW }),
    ];
    const exempt = new Set(["exempt", "old and exempt"]);
    for (const policy of EVICTION_POLICIES) {
      const answer = choose(entries, { policy, exempt, maxAgeMs: 10, neededBytes: 1e9 });
      assert.deepEqual(answer.victims, [["free", "over_quota"]], policy);
    }
  });

  it("has no empty directory go to make room", () => {
    assert.equal(pathsOf(choose([entry("empty", { bytes: 0, accessedAt: 0 }), entry("a")], { neededBytes: 200 })), "a");
  });

  it("asks of each directory at most once whether it must stay, and of none that would not go", () => {
    const entries = Array.from({ length: 1000 }, (_, number) => entry(String(number), { accessedAt: number }));
    const candidates = candidatesOf(entries);
    const asked: number[] = [];
    const isExempt = (index: number) => {
      asked.push(index);
      return index % 2 === 0;
    };
    chooseVictims(candidates, { ...QUESTION, neededBytes: 500, isExempt });
    assert.deepEqual(asked, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("takes what comes back in no time for the cheapest, and divides by nothing", () => {
    const entries = [
      entry("fast", { refillSeconds: 1e-9 }),
      entry("instant", { refillSeconds: 0, accessedAt: 5000 }),
      entry("unsaid"),
      entry("slower than unsaid", { refillSeconds: 1.01 }),
      entry("faster than unsaid", { refillSeconds: 0.99 }),
      entry("instant, too", { refillSeconds: 0, accessedAt: 4000, bytes: 1 }),
    ];
    const { victims } = choose(entries, { policy: "cost", neededBytes: 1e9 });
    assert.deepEqual(
      victims.map(([path]) => path),
      ["instant, too", "instant", "fast", "faster than unsaid", "unsaid", "slower than unsaid"],
    );
  });

  it("is the same whatever the order of the candidates", () => {
    fc.assert(
      fc.property(ENTRIES, QUESTIONS, (entries, question) => {
        assert.deepEqual(choose(entries.toReversed(), question), choose(entries, question));
      }),
    );
  });

  it("chooses what a plain sort would choose, in the same order and for the same reasons", () => {
    fc.assert(
      fc.property(ENTRIES, QUESTIONS, (entries, question) => {
        assert.deepEqual(choose(entries, question), askOracle(entries, question));
      }),
      { numRuns: 2000 },
    );
  });

  it("chooses what a plain sort would choose among very many, with ties and without", () => {
    const random = fc.sample(fc.nat(), { numRuns: 20_000, seed: 6 });
    for (const ties of [1, 7, 1_000_000]) {
      const entries = random.map((number, place) =>
        entry(`${number % 100}/${place}`, {
          bytes: number % (ties * 100),
          accessedAt: number % ties,
          accesses: number % 9,
        }),
      );
      const neededBytes = entries.reduce((sum, { bytes }) => sum + bytes, 0) / 3;
      for (const policy of EVICTION_POLICIES) {
        const question = { ...QUESTION, policy, neededBytes };
        assert.deepEqual(choose(entries, question), askOracle(entries, question));
      }
    }
  });
});

/** Few different values, so that ties and limits are met often. */
const TIME = fc.integer({ min: 0, max: 12 });
const PATH = fc.string({ unit: fc.constantFrom("a", "B", "/", "\uffff", "🎬"), minLength: 1, maxLength: 3 });
const ENTRIES = fc.uniqueArray(
  fc.record({
    path: PATH,
    bytes: fc.oneof(
      fc.nat(5),
      fc.maxSafeNat().map((bytes) => bytes % 2 ** 45),
    ),
    files: fc.constant(1),
    registeredAt: TIME,
    accessedAt: TIME,
    expiresAt: fc.option(TIME),
    accesses: fc.nat(3),
    isPinned: fc.boolean(),
    refillSeconds: fc.option(fc.constantFrom(0, 0.5, 1, 3, 1e-300, 1e9)),
  }),
  { selector: ({ path }) => path, maxLength: 40 },
);
const QUESTIONS = fc.record({
  policy: fc.constantFrom(...EVICTION_POLICIES),
  neededBytes: fc.oneof(
    fc.nat(30),
    fc.constantFrom(-1, 0),
    fc.nat().map((bytes) => bytes * 2 ** 20),
  ),
  now: TIME,
  maxAgeMs: fc.option(fc.nat(12), { nil: undefined }),
  refillBytesPerSecond: fc.integer({ min: 1, max: 5 }),
  exempt: fc.array(PATH, { maxLength: 30 }).map((paths) => new Set(paths)),
});
