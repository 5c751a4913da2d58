import assert from "node:assert/strict";
import { unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { withPacks } from "../../shared/caches/managed/packs.ts";
import { codeOfErrno, errnoOf, systemError } from "../../shared/errors.ts";
import { CacheOpsError, openState, printable } from "../../shared/index.ts";
import { loadRun } from "../../shared/journal.ts";
import { dataOf, serveInside } from "../mcp-server/inside.ts";
import { fill, managedContext, managedSettings } from "../shared/managed/managed-place.ts";
import { cli, cliEnvironment } from "../support/cli.ts";
import { makeMovies } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { operate, planCleanup } from "./scene.ts";
import type { FaultRequest } from "./fault-worker.program.ts";
import { startWorker, type FaultWorker } from "./workers.ts";

/* The smallest cases of what the long run found. */

describe("an error of the system", () => {
  for (const [number, name] of [
    [116, "ESTALE"],
    [122, "EDQUOT"],
    [37, "ENOLCK"],
    [121, "E121"],
  ] as const) {
    it(`that Node has no name for is called ${name}, and is not taken for a bug of ours`, () => {
      const code = `Unknown system error -${number}`;
      const error = Object.assign(new Error(`${code}: ${code}, open '/x'`), { code, errno: -number });
      assert.equal(errnoOf(error), name);
      assert.equal(codeOfErrno(errnoOf(error)), "unavailable");
      const told = systemError(error, "cannot open /x");
      assert.ok(told instanceof CacheOpsError);
      assert.deepEqual([told.code, told.message], ["unavailable", `cannot open /x: ${name}`]);
    });
  }
});

describe("a call that fails", function () {
  this.timeout(300_000);
  let worker: FaultWorker;

  before(async () => (worker = await startWorker()));
  after(() => worker.stop());

  /** Makes each of these calls fail in turn, and says how each request ended whose call was there. */
  async function failEach(path: string, [from, to]: readonly [number, number], request: Partial<FaultRequest>) {
    const base = makeDirectory(makePlace("found"), path);
    const ends: string[] = [];
    for (let nth = from; nth <= to; nth += 1) {
      const answer = await worker.ask({ path, base, fault: { does: "fail", nth, errno: "EIO" }, ...request });
      assert.equal(answer?.error, undefined, answer?.error);
      if (answer?.hit?.hits !== 0) ends.push(answer?.outcome ?? "");
    }
    assert.ok(ends.length > 0, "no call failed");
    return ends;
  }

  it("after a directory was moved brings it back, so that what is reported as not done is not done", async () => {
    const ends = await failEach("quarantine", [1, 4], { onlyInLibrary: "fsync", thenUndo: true });
    assert.ok(ends.some((end) => end !== "ok"));
  });

  it("when the lease of a directory is given back leaves what an undo takes back", async () => {
    const ends = await failEach("quarantine", [80, 110], { thenUndo: true });
    assert.ok(ends.includes("partial"), String(ends));
  });

  it("after a file was put in place leaves what an undo takes back", async () => {
    const ends = await failEach("restore", [1, 60], { kinds: ["reads"], onlyInLibrary: "statx", thenUndo: true });
    assert.ok(ends.length > 10);
  });

  it("whenever the journal is written leaves a run that the same process takes back", async () => {
    const ends = await failEach("rewrite", [120, 140], { thenUndo: true });
    assert.ok(ends.includes("unavailable"), String(ends));
  });

  it("when a scan puts a cache in place makes that scan partial", async () => {
    assert.deepEqual(await failEach("scan", [1, 1], { onlyInLibrary: "rename", thenUndo: false }), ["partial"]);
  });

  it("when a scan reads one directory makes that scan partial, and the others are done", async () => {
    const reads = { kinds: ["reads"], thenUndo: false } as const;
    const ends = [
      ...(await failEach("scan", [2, 4], { ...reads, onlyInLibrary: "scandir" })),
      ...(await failEach("scan", [1, 6], { ...reads, onlyInLibrary: "read" })),
    ];
    assert.deepEqual([...new Set(ends)], ["partial"]);
  });

  it("when a backup lists the only library is not taken for a library without caches", async () => {
    const ends = await failEach("backup", [1, 6], { kinds: ["reads"], onlyInLibrary: "scandir", thenUndo: false });
    assert.ok(!ends.includes("not_found") && ends.includes("unavailable"), String(ends));
  });
});

describe("the journal of a run", () => {
  it("that is damaged is corrupt, and not a bug of ours", async () => {
    const root = makePlace("library");
    const [gone] = makeMovies(join(root, "films"), ["Gone.mkv", "Here.mkv"]);
    unlinkSync(gone ?? "");
    const directory = makePlace("state");
    const { run } = await operate(directory, "apply", { plan: await planCleanup(directory, [root]) });
    const state = openState(directory);
    state.write(() => state.run("UPDATE runs SET work = ? WHERE id = ?", Buffer.from("no gzip"), String(run)));
    assert.throws(() => loadRun(state, String(run)), { code: "corrupt" });
    state.close();
  });
});

describe("a name with characters that hide text or turn its direction", () => {
  it("stands escaped in what an agent reads, within its budget, and is the same name", async () => {
    const library = makePlace("hidden");
    const names = Array.from({ length: 60 }, (_, index) => `film${"\u200b\u202e\u{e0041}".repeat(20)} ${index}.mkv`);
    for (const path of makeMovies(library, [...names, ...names.map((_, index) => `here ${index}.mkv`)]).slice(0, 60)) {
      unlinkSync(path);
    }
    const maxTokens = 2500;
    const server = serveInside({ libraries: { movies: library }, maxTokens });
    const answer = await server.call("check", { limit: 500 });
    const text = answer.content[0]?.text ?? "";
    assert.equal(printable(text), text);
    assert.deepEqual(JSON.parse(text), answer.structuredContent);
    const findings = dataOf(answer)["findings"] as { name: string }[];
    assert.ok(findings.length > 0 && findings.every(({ name }) => names.includes(name)));
    assert.ok(text.length <= maxTokens * 2, String(text.length));
  });
});

describe("what cannot be planned", () => {
  it("is told by a command line that applies its plan at once, which does not call it done", async () => {
    const root = makePlace("managed");
    fill(root, "there/film.bin");
    const context = managedContext([managedSettings(root)]);
    const file = join(root, ".cache-ops-packed", "films.tar.gz");
    const content = { sha256: "0".repeat(64), size: 10 };
    const tree = { sha256: "0".repeat(64), bytes: 10, names: 1 };
    const pack = { cache: "media", path: "films", target: { file }, content, tree, packedAt: 0 };
    withPacks(context, (packs) => packs.note(pack));
    const config = join(makePlace("config"), "config.json");
    writeFileSync(config, JSON.stringify({ managed: [{ name: "media", root }] }));
    const result = cli(["warm", "films", "--apply", "--yes", "--json"], cliEnvironment(context.stateDirectory, config));
    assert.deepEqual([result.code, result.json()["entries"]], [3, 0]);
    assert.ok(result.stderr.startsWith(`cache-ops: ${join(root, "films")}: `), result.stderr);
  });
});
