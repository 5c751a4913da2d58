import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";

import { InMemoryTransport } from "@modelcontextprotocol/server";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";

import { buildServer } from "../../mcp-server/server.ts";
import { DEFAULT_MAX_TOKENS } from "../../mcp-server/settings.ts";
import { makePathScene, makeSecret, MARKER, pathAttacks } from "../faults/corpora/paths.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import type { Result } from "./agent.ts";
import { dataOf, refusal, serveInside } from "./inside.ts";

/** That nothing from outside stands in an answer, and that no answer is a bug of ours. */
function assertTells(result: Result, asked: string): void {
  const said = JSON.stringify(result);
  assert.ok(!said.includes(MARKER), `${asked}: ${said.slice(0, 2000)}`);
  if (result.isError === true) assert.notEqual(refusal(result)["code"], "internal");
}

const TOOLS_WITH_PATHS = ["list", "stats", "check", "cleanup", "repair"] as const;

function isForbidden({ isError, content }: Result): boolean {
  return isError === true && content[0]?.text?.includes('"forbidden"') === true;
}

describe("a path from an agent", () => {
  it("never gets a byte from outside the library into an answer of a tool that reads, in 500 spellings", async () => {
    const { place, library } = makePathScene();
    const before = treeState(place);
    const server = serveInside({ libraries: { movies: library } });
    const cases = pathAttacks(library);
    assert.ok(cases.length >= 500, String(cases.length));
    for (const [index, path] of cases.entries()) {
      for (const tool of TOOLS_WITH_PATHS) assertTells(await server.call(tool, { paths: [path] }), path);
      // doctor starts programs: where it is let in, not for every single path.
      if (index % 20 === 0 || isForbidden(await server.call("check", { paths: [path] }))) {
        assertTells(await server.call("doctor", { paths: [path] }), path);
      }
    }
    for (const path of cases) assertTells(await server.call("check", { paths: ["movies", path] }), path);
    assert.deepEqual(treeState(place), before);
    assert.equal(dataOf(await server.call("check", { paths: ["movies"] }))["caches"], 2);
  });

  it("never lets a conversion be recorded outside the library, in 500 spellings", async () => {
    const { place, library } = makePathScene();
    const server = serveInside({ libraries: { movies: library } });
    const neighbours = ["media2", "media ", "media.", "Media", "medi", "secret", ".media"].map((name) =>
      join(place, name),
    );
    const before = neighbours.map((path) => treeState(path));
    const here = join(library, "films/Here.mkv");
    for (const [index, path] of pathAttacks(library).entries()) {
      const media = `${path}/film.mkv`;
      for (const args of [{ media }, { media: path }, { media: here, converted: media }, { media, failed: "no" }]) {
        assertTells(await server.call("record", args), path);
      }
      // Where the path stays inside, this records a conversion, which takes its time.
      if (index % 20 === 0 || isForbidden(await server.call("record", { media }))) {
        assertTells(await server.call("record", { media, converted: here }), path);
      }
    }
    for (const media of ["linked/film.mkv", "file-link/film.mkv", "dangling", "loop/x.mkv"]) {
      for (const args of [{}, { failed: "no" }, { converted: here }]) {
        assertTells(await server.call("record", { media: join(library, media), ...args }), media);
      }
    }
    assert.deepEqual(
      neighbours.map((path) => treeState(path)),
      before,
    );
    const { runs } = dataOf(await server.call("history")) as { runs: { run: string }[] };
    for (const { run } of runs) assertTells(await server.call("history", { run }), run);
  });

  it("means nothing in a pattern: include and exclude only choose among the library's own", async () => {
    const { library, place } = makePathScene();
    const before = treeState(place);
    const server = serveInside({ libraries: { movies: library } });
    for (const pattern of ["**", "../**", "/**", `${place}/**`, "../secret/*", "\0", "[", "!(x)", "{a,b"]) {
      for (const args of [{ include: [pattern] }, { exclude: [pattern] }]) {
        for (const tool of ["check", "cleanup", "repair"]) assertTells(await server.call(tool, args), pattern);
      }
    }
    assert.deepEqual(treeState(place), before);
  });

  it("names a library only when it is exactly that name, whatever the root is called", async () => {
    const place = makePlace("odd");
    for (const name of ["[a]", "{a,b}", "a*", "!(a)", "a b", "a\nb", "a\u202eb", "..a", "-a", "a\\b", "é", "~"]) {
      const root = makeDirectory(place, name);
      makeMovies(join(root, "films"), ["x.mkv"]);
      makeSecret(join(place, "a"));
      const server = serveInside({ libraries: { odd: root } });
      const answer = dataOf(await server.call("check", { paths: ["odd"] }));
      assert.equal(answer["caches"], 1, name);
      assert.ok(!JSON.stringify(answer).includes(MARKER));
      for (const path of ["a", "b", join(place, "a"), join(place, "*"), name]) {
        assertTells(await server.call("check", { paths: [path] }), path);
      }
      assert.equal(dataOf(await server.call("check", { paths: [root] }))["caches"], 1, name);
    }
  });
});

describe("a link that is swapped between plan and apply", () => {
  const swaps: [string, (library: string, victim: string) => void][] = [
    [
      "a directory becomes a link to outside",
      (library, victim) => {
        renameSync(join(library, "films"), join(dirname(victim), "moved"));
        symlinkSync(victim, join(library, "films"));
      },
    ],
    [
      "a cache becomes a link to outside",
      (library, victim) => {
        rmSync(join(library, "films", CACHE));
        symlinkSync(join(victim, CACHE), join(library, "films", CACHE));
      },
    ],
    [
      "the library becomes a link to outside",
      (library, victim) => {
        renameSync(library, join(dirname(victim), "moved"));
        symlinkSync(dirname(victim), library);
      },
    ],
  ];
  for (const [claim, swap] of swaps) {
    it(`leads nothing outside when ${claim}`, async () => {
      const library = makeStaleLibrary("films", "shows");
      const victim = join(makePlace("victim"), "films");
      makeMovies(victim, ["films one.mkv", "gone.mkv", "films two.mkv"]);
      rmSync(join(victim, "gone.mkv"));
      assert.deepEqual(readFileSync(join(victim, CACHE)), readFileSync(join(library, "films", CACHE)));
      const server = serveInside({ libraries: { movies: library } });
      const { plan, acknowledge } = dataOf(await server.call("cleanup"));
      swap(library, victim);
      const before = treeState(victim);
      const answer = await server.call("apply", { plan, acknowledge });
      assert.deepEqual(treeState(victim), before);
      if (answer.isError === true) refusal(answer);
      else assert.match(String(dataOf(answer)["nextStep"]), /new plan/);
      const { runs } = dataOf(await server.call("history")) as { runs: { run: string; acknowledge: string | null }[] };
      for (const { run, acknowledge } of runs) {
        if (acknowledge !== null) await server.call("undo", { run, acknowledge });
      }
      assert.deepEqual(treeState(victim), before);
    });
  }
});

describe("a resource's address", () => {
  it("leads to plans and runs of these libraries and to nothing else, and the server goes on", async () => {
    const { library, place } = makePathScene();
    const inside = serveInside({ libraries: { movies: library } });
    const secret = serveInside({ libraries: { secret: join(place, "secret") }, state: inside.context.state });
    const foreign = dataOf(await secret.call("cleanup"));
    assert.equal(foreign["entries"], 2);
    const applied = dataOf(await secret.call("apply", { plan: foreign["plan"], acknowledge: foreign["acknowledge"] }));
    const own = dataOf(await inside.call("cleanup"));
    const settings = {
      version: "1",
      contextFor: () => inside.context,
      readOnly: false,
      tools: undefined,
      confirm: false,
      maxTokens: DEFAULT_MAX_TOKENS,
    };
    const server = buildServer(settings, inside.desk);
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    await server.connect(ours);
    const client = new Client({ name: "test", version: "1" });
    await client.connect(theirs);
    const ids = [
      "../../x",
      "..%2f..%2fx",
      "%2e%2e/%2e%2e/x",
      "../run/x",
      ".",
      "..",
      "%00",
      "plan-x",
      "'",
      "%",
      "_",
      "*",
      "\u202e",
      "x".repeat(5000),
      encodeURIComponent(`${place}/secret`),
      String(foreign["plan"]),
      String(applied["run"]),
      `${String(own["plan"])}/..`,
      `${String(own["plan"])}%00`,
      `${String(own["plan"])}?x`,
      "%ff",
      "%E2%80%AE",
      "{id}",
    ];
    try {
      for (const id of ids) {
        for (const address of [`cache://plan/${id}`, `cache://run/${id}`, `cache://${id}`, `cache://libraries/${id}`]) {
          await assert.rejects(client.readResource({ uri: address }), (error: Error) => {
            assert.ok(!error.message.includes(MARKER), error.message);
            assert.doesNotMatch(error.message.replaceAll(address, ""), /[\p{Cc}\p{Cf}]/u);
            return true;
          });
        }
      }
      for (const uri of [
        `file://${place}/secret/${CACHE}`,
        "file:///etc/passwd",
        "cache:///etc/passwd",
        "/etc/passwd",
      ]) {
        await assert.rejects(client.readResource({ uri }));
      }
      const { contents } = await client.readResource({ uri: `cache://plan/${String(own["plan"])}` });
      assert.equal(contents.length, 1);
      for (const value of ["plan-", "", "run-", "%"]) {
        for (const uri of ["cache://plan/{id}", "cache://run/{id}"]) {
          const { completion } = await client.complete({
            ref: { type: "ref/resource", uri },
            argument: { name: "id", value },
          });
          for (const id of [foreign["plan"], applied["run"]]) assert.ok(!completion.values.includes(String(id)));
        }
      }
    } finally {
      await client.close();
    }
  });
});
