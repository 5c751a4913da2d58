import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

import { applyPlan } from "../../shared/apply.ts";
import { invoke, type Context } from "../../shared/index.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { narrowPlan } from "../../shared/planner.ts";
import { loadPlan } from "../../shared/plans.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { applyById, failsWith, makeStaleLibrary, planCleanup } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

/** A context whose clock can be set. */
function makeClock() {
  let time = Date.now();
  return {
    context: makeContext({ now: () => time }),
    pass: (seconds: number) => {
      time += seconds * 1000;
    },
  };
}

/** Changes the stored body of a plan behind the program's back. */
function tamper(context: Context, id: string, edit: (body: string) => string): void {
  const state = context.state();
  const body = state.get("SELECT body FROM plans WHERE id = ?", id)?.["body"];
  assert.ok(body instanceof Uint8Array);
  const changed = edit(gunzipSync(body).toString("utf8"));
  state.write(() => state.run("UPDATE plans SET body = ? WHERE id = ?", gzipSync(Buffer.from(changed)), id));
}

describe("a plan", () => {
  it("is stored with its id, digest and expiry, and can be read again", async () => {
    const { context } = makeClock();
    const made = await planCleanup(context, [makeStaleLibrary("a")]);
    const { plan, digest, run } = loadPlan(context.state(), made.plan);
    assert.equal(made.status, "ready");
    assert.match(digest, /^[0-9a-f]{64}$/);
    assert.deepEqual([plan.id, digest, plan.expiresAt, run], [made.plan, made.digest, made.expiresAt, null]);
    assert.equal(Date.parse(plan.expiresAt) - Date.parse(plan.createdAt), 3_600_000);
  });

  it("says what it would do: the entry, the problem and the rule", async () => {
    const root = makeStaleLibrary("a");
    const made = await planCleanup(makeContext(), [root]);
    assert.equal(made.changes?.length, 1);
    const [change] = made.changes ?? [];
    assert.deepEqual(
      [change?.id, change?.does, change?.name, change?.problem, change?.reason.rule, change?.cache],
      [1, "remove", "gone.mkv", "orphaned", "media_gone", join(root, "a", CACHE)],
    );
  });

  it("lives as long as the configuration says", async () => {
    const time = Date.now();
    const context = makeContext({ config: { planExpiry: "5m" }, now: () => time });
    const made = await planCleanup(context, [makeStaleLibrary("a")]);
    assert.equal(Date.parse(made.expiresAt), time + 300_000);
  });

  it("gets another id and digest each time, even for the same library", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a");
    const [first, second] = [await planCleanup(context, [root]), await planCleanup(context, [root])];
    assert.notEqual(first.plan, second.plan);
    assert.notEqual(first.digest, second.digest);
  });

  it("that was altered in the store is refused, and nothing is written", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const before = treeState(root);
    const edits: readonly ((body: string) => string)[] = [
      (body) => body.replace('"problem":"orphaned"', '"problem":"expired"'),
      (body) => body.replace(/"expiresAt":"20\d\d/, '"expiresAt":"2999'),
      (body) => `${body} `,
      () => "{}",
    ];
    for (const edit of edits) {
      const { plan, digest } = await planCleanup(context, [root]);
      tamper(context, plan, edit);
      await assert.rejects(applyPlan(plan, undefined, context), failsWith("stale_plan", /not as it was stored/));
      await assert.rejects(applyPlan(plan, digest, context), failsWith("stale_plan"));
    }
    assert.deepEqual(treeState(root), before);
  });

  it("is refused when the digest given is not its own, and stays usable", async () => {
    const context = makeContext();
    const { plan, digest } = await planCleanup(context, [makeStaleLibrary("a")]);
    const other = digest.replace(/^./, (first) => (first === "0" ? "1" : "0"));
    await assert.rejects(applyPlan(plan, other, context), failsWith("stale_plan", /digest/));
    assert.equal((await applyPlan(plan, digest, context)).status, "complete");
  });

  it("that is not known is not found", async () => {
    const context = makeContext();
    await assert.rejects(applyPlan(`plan-${randomUUID()}`, undefined, context), failsWith("not_found"));
    await assert.rejects(applyPlan("'; DROP TABLE plans; --", undefined, context), failsWith("not_found"));
  });

  it("is refused from the moment it expires, and nothing is written", async () => {
    const { context, pass } = makeClock();
    const root = makeStaleLibrary("a");
    const before = treeState(root);
    const { plan } = await planCleanup(context, [root]);
    pass(3600);
    await assert.rejects(applyPlan(plan, undefined, context), failsWith("expired_plan"));
    assert.deepEqual(treeState(root), before);
  });

  it("is applied up to a moment before it expires", async () => {
    const { context, pass } = makeClock();
    const { plan } = await planCleanup(context, [makeStaleLibrary("a")]);
    pass(3599);
    assert.equal((await applyPlan(plan, undefined, context)).status, "complete");
  });

  it("is used once: asking again returns the same report and changes nothing, also after its expiry", async () => {
    const { context, pass } = makeClock();
    const root = makeStaleLibrary("a", "b");
    const { plan } = await planCleanup(context, [root]);
    const report = await applyPlan(plan, undefined, context);
    makeMovies(join(root, "c"), ["new.mkv"]);
    const after = treeState(root);
    pass(7200);
    assert.deepEqual(await applyPlan(plan, undefined, context), report);
    assert.deepEqual(treeState(root), after);
    assert.equal(loadPlan(context.state(), plan).run, report.run);
  });

  it("for a library in order is empty, and applying it does nothing and can be said so", async () => {
    const context = makeContext();
    const root = makePlace("library");
    makeMovies(join(root, "a"), ["one.mkv"]);
    const before = treeState(root);
    const made = await planCleanup(context, [root]);
    assert.deepEqual([made.status, made.entries, made.actions, made.bytes], ["empty", 0, 0, 0]);
    const report = await applyById(context, made.plan);
    assert.deepEqual([report.status, report.entries, report.files, report.undoUntil], ["complete", 0, 0, null]);
    assert.deepEqual(treeState(root), before);
  });

  it("that a guard blocked cannot be applied, and the error names guard and advice", async () => {
    const context = makeContext();
    const root = join(makePlace("library"), "not there");
    const made = await planCleanup(context, [root]);
    assert.equal(made.status, "blocked");
    assert.equal(cleanup.outcome(made), "blocked");
    await assert.rejects(applyPlan(made.plan, undefined, context), failsWith("blocked", /does not exist/));
  });
});

describe("a plan narrowed to some changes", () => {
  it("holds exactly these, numbered anew, and leaves the rest alone when applied", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b", "c");
    const base = await planCleanup(context, [root]);
    const chosen = (base.changes ?? []).filter(({ cache }) => !cache.startsWith(join(root, "b")));
    const only = chosen.map(({ id }) => id);
    const kept = readFileSync(join(root, "b", CACHE));
    const made = await invoke(cleanup, { from: base.plan, only, detail: "full" }, context);
    assert.notEqual(made.plan, base.plan);
    assert.deepEqual(
      made.changes?.map(({ id, cache }) => [id, cache]),
      chosen.map(({ cache }, index) => [index + 1, cache]),
    );
    assert.deepEqual([made.entries, made.caches, made.actions, made.byProblem], [2, 2, 2, { orphaned: 2 }]);
    const report = await applyById(context, made.plan);
    assert.deepEqual([report.status, report.entries, report.reclaimedBytes], ["complete", 2, made.bytes]);
    assert.deepEqual(readFileSync(join(root, "b", CACHE)), kept);
  });

  it("takes single entries of one cache", async () => {
    const context = makeContext();
    const root = makePlace("library");
    const [one = "", two = ""] = makeMovies(join(root, "a"), [
      "one.mkv",
      "two.mkv",
      "three.mkv",
      "four.mkv",
      "five.mkv",
    ]);
    for (const path of [one, two]) writeFileSync(path, "");
    const base = await planCleanup(context, [root], { changed: true });
    assert.equal(base.changes?.length, 2);
    const second = base.changes?.find(({ name }) => name === "two.mkv");
    const { plan } = await narrowPlan(base.plan, [second?.id ?? 0], context);
    await applyById(context, plan.id);
    const text = readFileSync(join(root, "a", CACHE), "utf8");
    assert.ok(text.includes('"one.mkv"') && !text.includes('"two.mkv"') && text.includes('"three.mkv"'));
  });

  it("to none is empty", async () => {
    const context = makeContext();
    const base = await planCleanup(context, [makeStaleLibrary("a")]);
    const { plan } = await narrowPlan(base.plan, [], context);
    assert.deepEqual([plan.status, plan.changes, plan.actions], ["empty", [], []]);
  });

  it("refuses numbers that the plan does not have", async () => {
    const context = makeContext();
    const base = await planCleanup(context, [makeStaleLibrary("a", "b")]);
    await assert.rejects(narrowPlan(base.plan, [1, 3, 7], context), failsWith("invalid_input", /no change 3, 7/));
  });

  it("is refused once the plan it comes from was used", async () => {
    const context = makeContext();
    const base = await planCleanup(context, [makeStaleLibrary("a")]);
    await applyById(context, base.plan);
    await assert.rejects(narrowPlan(base.plan, [1], context), failsWith("stale_plan"));
  });

  it("is refused once the plan it comes from has expired", async () => {
    const { context, pass } = makeClock();
    const base = await planCleanup(context, [makeStaleLibrary("a")]);
    pass(3600);
    await assert.rejects(narrowPlan(base.plan, [1], context), failsWith("expired_plan"));
  });

  it("of a blocked plan stays blocked", async () => {
    const context = makeContext({ config: { guards: { maxEntries: 1 } } });
    const base = await planCleanup(context, [makeStaleLibrary("a", "b")]);
    assert.equal(base.status, "blocked");
    const { plan } = await narrowPlan(base.plan, [1], context);
    assert.equal(plan.status, "blocked");
    await assert.rejects(applyById(context, plan.id), failsWith("blocked"));
  });

  it("leaves out a cache that changed since, and says so", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const base = await planCleanup(context, [root]);
    const cache = join(root, "a", CACHE);
    writeFileSync(cache, `${readFileSync(cache, "utf8")}\n`);
    const { plan } = await narrowPlan(base.plan, [1, 2], context);
    assert.deepEqual(
      plan.changes.map(({ cache }) => cache),
      [join(root, "b", CACHE)],
    );
    assert.deepEqual(
      plan.skipped.map(({ cache, rule }) => [cache, rule]),
      [[cache, "changed_while_planning"]],
    );
  });

  it("without numbers is the plan itself", async () => {
    const context = makeContext();
    const base = await planCleanup(context, [makeStaleLibrary("a")]);
    const again = await invoke(cleanup, { from: base.plan, detail: "full" }, context);
    assert.deepEqual(again, base);
  });
});
