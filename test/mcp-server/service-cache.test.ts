import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { fill, setAge } from "../shared/managed/managed-place.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { ask, startService, type Answered } from "./service-server.ts";

/** A managed cache of directories of 1,000 bytes, none of which was written to lately. */
function makeRoot(...names: readonly string[]): string {
  const root = makePlace("managed");
  for (const name of names) {
    fill(root, `${name}/film.bin`);
    setAge(join(root, name), 86_400);
  }
  return root;
}

async function scene(names: readonly string[], parts: Record<string, unknown> = {}, words: readonly string[] = []) {
  const root = makeRoot(...names);
  const managed = [{ name: "downloads", root, maxBytes: 10_000, autoRegister: false, ...parts }];
  const server = await startService({ config: { managed }, words });
  const at = (line: string, body?: unknown) => ask(server, line, body === undefined ? {} : { body });
  return { root, server, at };
}

function codeOf({ json }: Answered): unknown {
  return (json["error"] as { code: string } | undefined)?.code;
}

describe("the documented routes of managed caches", () => {
  it("register with the real size, once however often it is asked, under both addresses", async () => {
    const { at, root } = await scene(["a", "b c"]);
    assert.equal(
      (await at("POST /cache/directories/a/register")).json["message"],
      "Directory a registered successfully",
    );
    for (let count = 0; count < 3; count += 1) assert.equal((await at("POST /cache/register/a")).status, 200);
    assert.equal((await at("POST /cache/register/b%20c")).status, 200);
    const stats = (await at("GET /cache/stats")).json;
    assert.deepEqual(
      [
        stats["enabled"],
        stats["total_bytes"],
        stats["total_directories"],
        stats["max_bytes"],
        stats["usage_percent"],
        stats["quota_exceeded"],
      ],
      [true, 2000, 2, 10_000, 20, false],
    );
    writeFileSync(join(root, "a", "more.bin"), Buffer.alloc(500));
    assert.equal((await at("POST /cache/register/a")).json["previousBytes"], 1000);
    const missing = await at("POST /cache/register/none");
    assert.deepEqual([missing.status, codeOf(missing)], [404, "not_found"]);
  });

  it("list with a limit, the last used first, and say everything of one", async () => {
    const { at } = await scene(["a", "b", "c"], { ttl: "1d" });
    for (const name of ["a", "b", "c"]) await at(`POST /cache/register/${name}`);
    assert.equal((await at("POST /cache/directories/a/touch")).status, 200);
    const { json } = await at("GET /cache/directories?limit=2");
    const rows = json["directories"] as Record<string, unknown>[];
    assert.deepEqual([json["count"], rows.map(({ path }) => path)], [2, ["a", "c"]]);
    const one = (await at("GET /cache/directories/a")).json;
    assert.deepEqual([one["path"], one["size_bytes"], one["exists"], one["pinned"]], ["a", 1000, true, false]);
    const ttl = Number(one["ttl_seconds"]);
    assert.ok(ttl > 86_000 && ttl <= 86_400, String(ttl));
    assert.match(String(one["last_access"]), /^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it("answer 404 to what is not registered, and have no success for it", async () => {
    const { at, root } = await scene(["a"]);
    const before = treeState(root);
    for (const line of [
      "GET /cache/directories/a",
      "POST /cache/directories/a/touch",
      "DELETE /cache/directories/a",
      "DELETE /cache/directories/a?remove_files=true",
      "DELETE /cache/directories/none?remove_files=true",
    ]) {
      const answer = await at(line);
      assert.deepEqual([answer.status, codeOf(answer)], [404, "not_found"], `${line}: ${answer.text}`);
    }
    assert.deepEqual(treeState(root), before);
  });

  it("forget without touching the files, unless they are to be removed", async () => {
    const { at, root } = await scene(["a"]);
    await at("POST /cache/register/a");
    const before = treeState(root);
    const { json } = await at("DELETE /cache/directories/a");
    assert.equal(json["message"], "Directory a removed from cache successfully");
    assert.deepEqual(treeState(root), before);
    assert.equal((await at("GET /cache/directories/a")).status, 404);
  });

  it("remove exactly one directory, and say how to put it back, which does", async () => {
    const { at, root } = await scene(["a", "b"]);
    for (const name of ["a", "b"]) await at(`POST /cache/register/${name}`);
    const [a, b] = [treeState(join(root, "a")), treeState(join(root, "b"))];
    const removed = await at("DELETE /cache/directories/a?remove_files=true");
    assert.equal(removed.status, 200, removed.text);
    assert.equal(removed.json["message"], "Directory a removed from cache and disk successfully");
    assert.ok(!existsSync(join(root, "a")));
    assert.deepEqual(treeState(join(root, "b")), b);
    assert.equal((await at("GET /cache/stats")).json["total_bytes"], 1000);
    const { post, body } = removed.json["undo"] as { post: string; body: unknown };
    const undone = await at(`POST ${post}`, body);
    assert.deepEqual([undone.status, undone.json["status"]], [200, "complete"], undone.text);
    assert.deepEqual(treeState(join(root, "a")), a);
  });

  it("answer 423 for a directory that is in use, 409 for one that is pinned, and remove neither", async () => {
    const { at, root } = await scene(["busy", "pinned"], { keep: ["pinned"] });
    writeFileSync(join(root, "busy", "now.bin"), "x");
    for (const name of ["busy", "pinned"]) await at(`POST /cache/register/${name}`);
    const before = treeState(root);
    const busy = await at("DELETE /cache/directories/busy?remove_files=true");
    assert.deepEqual([busy.status, codeOf(busy)], [423, "locked"], busy.text);
    const pinned = await at("DELETE /cache/directories/pinned?remove_files=true");
    assert.deepEqual([pinned.status, codeOf(pinned)], [409, "blocked"], pinned.text);
    assert.deepEqual(treeState(root), before);
  });

  it("clean up in the background and name the run, which is there to be looked at", async () => {
    const names = ["a", "b", "c", "d"];
    const { at, root } = await scene(names, { maxBytes: 3000 });
    assert.deepEqual((await at("POST /cache/cleanup")).json["message"], "Nothing to clean up");
    for (const name of names) await at(`POST /cache/register/${name}`);
    const begun = await at("POST /cache/cleanup");
    assert.equal(begun.status, 202, begun.text);
    assert.equal(begun.headers["location"], `/api/v1/history?run=${String(begun.json["run"])}`);
    let status: unknown = "running";
    while (status === "running") {
      const { runs } = (await at(`GET ${begun.headers["location"]}`)).json as { runs: { status: string }[] };
      status = runs[0]?.status;
    }
    assert.equal(status, "complete");
    assert.deepEqual(
      names.filter((name) => existsSync(join(root, name))),
      ["c", "d"],
    );
    assert.equal((await at("GET /cache/stats")).json["evictions"], 2);
  });

  it("want to know which cache, where several are configured", async () => {
    const [films, music] = [makeRoot("a"), makeRoot("a")];
    const managed = [
      { name: "films", root: films, maxBytes: 1000, autoRegister: false },
      { name: "music", root: music, autoRegister: false },
    ];
    const server = await startService({ config: { managed } });
    for (const line of ["POST /cache/register/a", "GET /cache/directories", "POST /cache/cleanup"]) {
      const answer = await ask(server, line);
      assert.equal(answer.status, 400, line);
      assert.match(answer.text, /films, music/);
      assert.equal((await ask(server, `${line}?cache=books`)).status, 404);
    }
    assert.equal((await ask(server, "POST /cache/register/a?cache=music")).status, 200);
    assert.equal((await ask(server, "GET /cache/stats?cache=music")).json["total_directories"], 1);
    const all = (await ask(server, "GET /cache/stats")).json;
    assert.deepEqual([all["total_directories"], all["max_bytes"], all["usage_percent"]], [1, null, null]);
  });

  it("need nobody to register what appears while the service runs", async () => {
    const { at, root } = await scene([], { autoRegister: true, settle: "0s" });
    fill(root, "new/film.bin", 700);
    for (let count: unknown = 0; count !== 1;) count = (await at("GET /cache/directories")).json["count"];
    assert.equal((await at("GET /cache/directories/new")).json["size_bytes"], 700);
    assert.equal((await at("GET /cache/stats")).json["total_bytes"], 700);
  });

  it("say that nothing is managed where nothing is, instead of success", async () => {
    const server = await startService();
    assert.equal((await ask(server, "GET /cache/stats")).json["enabled"], false);
    for (const line of ["POST /cache/register/a", "POST /cache/cleanup", "GET /cache/directories"]) {
      assert.equal((await ask(server, line)).status, 404, line);
    }
  });

  it("start and stop the schedules", async () => {
    const schedules = [{ name: "nightly", cron: "0 3 * * *", operation: "check" }];
    const server = await startService({ config: { schedules } });
    const state = async () => {
      const { schedules } = (await ask(server, "POST /api/v1/schedule")).json as { schedules: { state: string }[] };
      return schedules[0]?.state;
    };
    assert.equal(await state(), "ready");
    assert.equal((await ask(server, "POST /cache/stop-scheduler")).json["message"], "Cache scheduler stopped");
    assert.equal(await state(), "paused");
    assert.equal((await ask(server, "POST /cache/start-scheduler")).status, 200);
    assert.equal(await state(), "ready");
    assert.equal(await server.stop(), 0);
  });

  for (const word of ["--read-only", "--confirm"]) {
    it(`change nothing with ${word}`, async () => {
      const { at, root } = await scene(["a"], { maxBytes: 500 }, [word]);
      const before = treeState(root);
      for (const line of [
        "POST /cache/register/a",
        "POST /cache/directories/a/touch",
        "DELETE /cache/directories/a",
        "DELETE /cache/directories/a?remove_files=true",
        "POST /cache/cleanup",
        "POST /cache/stop-scheduler",
      ]) {
        const answer = await at(line);
        assert.deepEqual([answer.status, codeOf(answer)], [403, "forbidden"], line);
      }
      assert.deepEqual(treeState(root), before);
      assert.equal((await at("GET /cache/directories")).json["count"], 0);
    });
  }
});
