import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";

import { readDocument, type ObjectSpans } from "../../shared/caches/directory/document.ts";
import { spliceObject } from "../../shared/caches/directory/edit.ts";
import { readProbeEntry, readScanEntry } from "../../shared/caches/probe/media-audit/entry.ts";
import { CacheOpsError, Configuration, parse, type State } from "../../shared/index.ts";
import { loadRun } from "../../shared/journal.ts";
import { loadPlan } from "../../shared/plans.ts";
import { applySplices } from "../../shared/splice.ts";
import { compareOutline, damaged, oddDocument } from "../shared/odd-documents.ts";
import { serveInside, TOOLS, UNPRINTABLE } from "../mcp-server/inside.ts";
import type { Dice } from "../support/dice.ts";
import { entryPickle, maliciousPickles, oddPickles } from "../support/pickles.ts";

/*
 * Inputs that nobody sane wrote, for everything that reads: each is whole, cut, or changed in some bytes. What is thrown
 * must be an error of ours.
 */

/** Tries one input; returns what it was to be counted as. Throws when it did harm. */
export type Fuzz = (dice: Dice) => string | Promise<string>;

/** A cache is read the same in both ways, and what an edit keeps is kept byte for byte. */
export const fuzzCache: Fuzz = (dice) => {
  const bytes = damaged(Buffer.from(oddDocument(dice)), dice);
  compareOutline(bytes);
  const reading = readDocument(bytes);
  if (!("spans" in reading)) return "caches refused";
  const { spans } = reading;
  const kept = spans.members.map(() => dice.chance(0.7));
  const remove = new Set(kept.flatMap((isKept, index) => (isKept ? [] : [index])));
  const edit = { remove, replace: new Map<number, string>(), append: [] };
  const after = applySplices(bytes, spliceObject(bytes, spans, edit, "  "));
  const again = readDocument(after);
  assert.ok("spans" in again, "an edited cache can be read");
  assert.deepEqual(
    membersOf(after, again.spans),
    membersOf(bytes, spans).filter((_, index) => kept[index]),
  );
  return "caches edited";
};

function membersOf(bytes: Buffer, { members }: ObjectSpans): string[] {
  return members.map(({ start, value }) => bytes.toString("latin1", start, value.end));
}

const PICKLES = [
  entryPickle(),
  ...maliciousPickles("touch /tmp/cache-ops-was-here").map(([, bytes]) => bytes),
  ...oddPickles()
    .map(([, bytes]) => bytes)
    .filter(({ length }) => length < 10_000),
];

export const fuzzPickle: Fuzz = (dice) => {
  const isScan = dice.chance(0.2);
  let bytes = isScan ? Buffer.from(oddDocument(dice)) : dice.chance(0.5) ? entryPickle() : dice.pick(PICKLES);
  for (let times = dice.below(3); times > 0; times -= 1) bytes = damaged(bytes, dice);
  const reading = isScan ? readScanEntry(bytes) : readProbeEntry(bytes);
  return "entry" in reading ? "pickles read" : "pickles refused";
};

const CONFIGURATION = JSON.stringify({
  libraries: [{ name: "films", roots: ["/media/films"], keep: ["*.iso"] }],
  managed: [{ name: "downloads", root: "/downloads", maxBytes: "10GB", ttl: "7d", quarantine: "24h" }],
  engines: [{ name: "ace", socket: "/var/run/docker.sock" }],
  jellyfin: [{ name: "home", url: "http://127.0.0.1:8096" }],
  guards: { staleRatio: 0.5, maxEntries: 1000, clockSkew: "1m" },
  retention: { age: "14d", maxBytes: "1GB" },
});

export const fuzzConfiguration: Fuzz = (dice) => {
  const value = jsonOf(mutated(CONFIGURATION, dice));
  if (value === undefined) return "configurations that are no JSON";
  return isTaken(() => parse(Configuration, value, "configuration"))
    ? "configurations taken"
    : "configurations refused";
};

/** A plan and the work of a run in a store, of which the bytes were changed. */
export function makeStoreFuzz(state: State, plan: string, run: string): Fuzz {
  const digest = String(state.get("SELECT digest FROM plans WHERE id = ?", plan)?.["digest"]);
  const [body, work] = [
    bytesOf(state, "SELECT body AS bytes FROM plans WHERE id = ?", plan),
    bytesOf(state, "SELECT work AS bytes FROM runs WHERE id = ?", run),
  ];
  return (dice) => {
    const isPlan = dice.chance(0.5);
    const [table, column, id] = isPlan ? ["plans", "body", plan] : ["runs", "work", run];
    const from = isPlan ? body : work;
    const bytes = dice.chance(0.5) ? gzipSync(mutated(from.text, dice), { level: 1 }) : damaged(from.packed, dice);
    state.write(() => state.run(`UPDATE ${table} SET ${column} = ? WHERE id = ?`, bytes, id));
    const taken = isTaken(() => (isPlan ? loadPlan(state, plan) : loadRun(state, run)));
    if (isPlan && taken) assert.equal(loadPlan(state, plan).digest, digest, "only the plan that was stored is loaded");
    return `${isPlan ? "plans" : "journals"} ${taken ? "taken" : "refused"}`;
  };
}

function bytesOf(state: State, sql: string, id: string): { readonly packed: Buffer; readonly text: string } {
  const packed = Buffer.from(state.get(sql, id)?.["bytes"] as Uint8Array);
  return { packed, text: gunzipSync(packed).toString() };
}

/** Whether something was taken; what is thrown must be an error of ours, and no bug. */
function isTaken(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof CacheOpsError && error.code !== "internal") return false;
    throw error;
  }
}

const TOOL_ARGUMENTS = JSON.stringify({
  library: "films",
  paths: ["/media/films", "films/a.mkv"],
  include: ["**/*.mkv"],
  plan: "plan-0000000000",
  run: "run-0000000000",
  detail: "full",
  limit: 10,
  cursor: "x",
  maxEntries: 5,
  confirm: "yes",
});

/** Calls of tools with arguments of all kinds, as a model might make them: each is answered, in printable text. */
export function makeCallFuzz(root: string): Fuzz {
  const inside = serveInside({ libraries: { films: root } });
  const names = TOOLS.map(({ operation }) => operation.name).filter((name) => !NOT_HERE.has(name));
  return async (dice) => {
    const value = jsonOf(mutated(TOOL_ARGUMENTS, dice));
    const all = (typeof value === "object" && value !== null ? value : { value }) as Record<string, unknown>;
    const some = Object.fromEntries(Object.entries(all).filter(() => dice.chance(0.4)));
    const result = await inside.call(dice.pick(names), some);
    for (const part of result.content as { text?: string }[]) {
      assert.ok(!UNPRINTABLE.test((part.text ?? "").replaceAll("\n", "")), "an answer is printable");
    }
    return result.isError === true ? "calls refused" : "calls answered";
  };
}

/** Tools that would reach for engines, servers and clusters that are not there, or wait. */
const NOT_HERE = new Set(["engines", "look", "jellyfin", "clear", "doctor", "schedule", "scan", "probe", "backup"]);

const ODD_VALUES = [
  "null",
  "true",
  "-1",
  "1e400",
  "9007199254740993",
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"..\\/..\\/etc"',
  '"\\u202e\\u001b[31m"',
  "[]",
  "{}",
  '{"__proto__":{"polluted":1}}',
  "[[[[[[]]]]]]",
  `"${"x".repeat(5000)}"`,
];

/** JSON of which one value is another, or some bytes are. */
export function mutated(text: string, dice: Dice): Buffer {
  if (dice.chance(0.5)) return damaged(Buffer.from(text), dice);
  const values = [...text.matchAll(/"(?:[^"\\]|\\.)*"(?!:)|(?<=[:[,])[-\d.]+/g)];
  const found = dice.pick(values);
  return Buffer.from(text.slice(0, found.index) + dice.pick(ODD_VALUES) + text.slice(found.index + found[0].length));
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
