import assert from "node:assert/strict";
import { appendFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { makePlace } from "../support/place.ts";
import { CACHE, makeMovies, writeMedia } from "../support/library.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { dataOf, refusal, serveInside, type Inside, type InsideParts } from "./inside.ts";

interface Token {
  readonly plan: string;
  readonly digest: string;
  readonly acknowledge: string;
}

/** Two directories with a deleted film each, a server that looks after them, and a plan for them. */
async function scene(parts: Partial<InsideParts> = {}) {
  const library = makeStaleLibrary("films", "shows");
  const server = serveInside({ libraries: { movies: library }, ...parts });
  return { library, server, token: await planFor(server) };
}

async function planFor(server: Inside, input: Record<string, unknown> = {}): Promise<Token> {
  const { plan, digest, acknowledge } = dataOf(await server.call("cleanup", input)) as unknown as Token;
  return { plan, digest, acknowledge };
}

/** Asserts that a call is refused with advice and that the library is as it was. */
async function isRefused(
  { server, library }: { readonly server: Inside; readonly library: string },
  codes: RegExp,
  tool: string,
  args: Record<string, unknown>,
): Promise<void> {
  const before = treeState(library);
  const { code } = refusal(await server.call(tool, args));
  assert.match(code ?? "", codes);
  assert.deepEqual(treeState(library), before);
  refusals += 1;
}

let refusals = 0;

/** Other spellings of a sentence, each by what was done to it. */
function forgeries(sentence: string): [string, string][] {
  const spoil = (text: string, by: string) => [
    ...[" ", "\n", "\t", "\u00a0", "\u200b", "\ufeff", ".", "\0"].map((tail) => text + tail),
    ...[" ", "\u200b", "\u202e"].map((head) => head + text),
    ...(by === "" ? [] : [by + text]),
  ];
  const number = (to: string) => sentence.replace(/\d+/, to);
  const lookalikes: Record<string, string> = { e: "е", o: "о", a: "а", i: "і", c: "с", u: "υ", n: "ո", ";": "\u037e" };
  return [
    ...spoil(sentence, "yes: ").map((text): [string, string] => ["something added", text]),
    ...["0", "1", "3", "20", "02", "2.0", "２", "²", "two"].map((to): [string, string] => [
      "another number",
      number(to),
    ]),
    ...Object.entries(lookalikes).map(([letter, other]): [string, string] => [
      `a look-alike of ${letter}`,
      sentence.replace(letter, other),
    ]),
    ["capitals", sentence.toUpperCase()],
    ["a capital", sentence.replace("r", "R")],
    ["the start only", sentence.slice(0, 10)],
    ["all but the last character", sentence.slice(0, -1)],
    ["another day", sentence.replace(/\d\d$/, "99")],
    ["two spaces", sentence.replace(" ", "  ")],
    ["no spaces", sentence.replaceAll(" ", "")],
    ["another library", sentence.replace("movies", "music")],
    ["another verb", sentence.replace("remove", "keep")],
    ["JSON around it", JSON.stringify(sentence)],
    ["twice", `${sentence} ${sentence}`],
    ["nothing", ""],
    ["a yes", "yes"],
    ["a word of a machine", "true"],
    ["full-width letters", sentence.replace("remove", "ｒｅｍｏｖｅ")],
    ["a soft hyphen", sentence.replace("remove", "re\u00admove")],
    ["a combining mark", sentence.replace("remove", "re\u0301move")],
    ["100 kB", sentence.repeat(2000)],
  ];
}

/** Ids that are not the plan's, each by what was done to it. */
function wrongIds(id: string): [string, string][] {
  const last = id.endsWith("a") ? "b" : "a";
  return [
    ["the last character changed", id.slice(0, -1) + last],
    ["a character missing", id.slice(0, -1)],
    ["a character more", `${id}0`],
    ["capitals", id.toUpperCase()],
    ["a space behind", `${id} `],
    ["a zero byte behind", `${id}\0`],
    ["a line break", `${id}\n`],
    ["an invisible character", `${id}\u200b`],
    ["a direction", `\u202e${id}`],
    ["a path", `../${id}`],
    ["a URI", `cache://plan/${id}`],
    ["a pattern", "%"],
    ["a pattern of SQL", `${id.slice(0, -1)}_`],
    ["SQL", "' OR 1=1 --"],
    ["a half character", `${id}\ud800`],
    ["100 kB", "x".repeat(100_000)],
    ["a name of an object", "__proto__"],
    ["the word last", "last"],
  ];
}

describe("a plan's token", function () {
  it("is not accepted with any other sentence than the plan's, and the answer says what to do", async () => {
    const here = await scene();
    const { plan, acknowledge } = here.token;
    const cases = forgeries(acknowledge);
    for (const [claim, text] of cases) {
      assert.notEqual(text, acknowledge, claim);
      await isRefused(here, /^invalid_input$/, "apply", { plan, acknowledge: text });
    }
    assert.ok(cases.length >= 45, String(cases.length));
    await isRefused(here, /^invalid_input$/, "apply", { plan });
    for (const acknowledge of [null, true, 1, ["yes"], {}]) {
      await isRefused(here, /^invalid_input$/, "apply", { plan, acknowledge });
    }
    assert.equal(dataOf(await here.server.call("apply", { plan, acknowledge }))["status"], "complete");
  });

  it("is not accepted under any other id", async () => {
    const here = await scene();
    const { plan, acknowledge } = here.token;
    for (const [, id] of wrongIds(plan)) {
      await isRefused(here, /^not_found$/, "apply", { plan: id, acknowledge });
      await isRefused(here, /^not_found$/, "cleanup", { from: id });
      await isRefused(here, /^not_found$/, "history", { run: id });
    }
    for (const id of ["", null, 7, [plan], { plan }]) {
      await isRefused(here, /^invalid_input$/, "apply", { plan: id, acknowledge });
    }
  });

  it("is not accepted with another digest", async () => {
    const here = await scene();
    const { plan, acknowledge, digest } = here.token;
    const other = await planFor(here.server, { maxEntries: 1 });
    const digests = [
      other.digest,
      digest.toUpperCase(),
      digest.slice(0, -1),
      `${digest}0`,
      "",
      "0".repeat(64),
      `${digest.slice(0, 63)}${digest.endsWith("0") ? "1" : "0"}`,
    ];
    for (const digest of digests) {
      await isRefused(here, /^stale_plan$/, "apply", { plan, acknowledge, digest });
    }
  });

  it("is not accepted with the sentence of another plan", async () => {
    const here = await scene();
    const smaller = await planFor(here.server, { maxEntries: 1 });
    await isRefused(here, /^invalid_input$/, "apply", { plan: here.token.plan, acknowledge: smaller.acknowledge });
    await isRefused(here, /^invalid_input$/, "apply", { plan: smaller.plan, acknowledge: here.token.acknowledge });
  });

  it("is not accepted once it has expired, whatever else is right", async () => {
    let now = Date.now();
    const here = await scene({ now: () => now, config: { planExpiry: "10m" } });
    const { plan, acknowledge, digest } = here.token;
    const narrowed = await planFor(here.server, { from: plan, only: [1] });
    for (const minutes of [10, 11, 60, 60 * 24 * 400]) {
      now += minutes * 60_000;
      await isRefused(here, /^expired_plan$/, "apply", { plan, acknowledge });
      await isRefused(here, /^expired_plan$/, "apply", { plan, acknowledge, digest });
      await isRefused(here, /^expired_plan$/, "apply", { plan: narrowed.plan, acknowledge: narrowed.acknowledge });
      await isRefused(here, /^expired_plan$/, "cleanup", { from: plan, only: [1] });
    }
  });

  it("returns its report when it is used again, and is refused with other arguments", async () => {
    const here = await scene();
    const { plan, acknowledge, digest } = here.token;
    const report = dataOf(await here.server.call("apply", { plan, acknowledge }));
    for (const args of [{}, { digest }]) {
      const again = dataOf(await here.server.call("apply", { plan, acknowledge, ...args }));
      assert.deepEqual(again, report);
    }
    for (const [, text] of forgeries(acknowledge).slice(0, 20)) {
      await isRefused(here, /^invalid_input$/, "apply", { plan, acknowledge: text });
    }
    await isRefused(here, /^stale_plan$/, "apply", { plan, acknowledge, digest: digest.replace(/./, "x") });
    await isRefused(here, /^stale_plan$/, "cleanup", { from: plan, only: [1] });
    await isRefused(here, /^invalid_input$/, "apply", { plan, acknowledge, force: true });
    await isRefused(here, /^invalid_input$/, "apply", { plan, acknowledge, allow: ["stale_ratio"] });
  });

  it("is refused by a server that looks after another root, and so are its run and its sentence", async () => {
    const here = await scene();
    const state = here.server.context.state;
    const { plan, acknowledge } = here.token;
    const { library } = here;
    const others = {
      elsewhere: makeStaleLibrary("films", "shows"),
      twin: `${library}-twin`,
      part: join(library, "films"),
      missing: join(makePlace(), "nothing"),
    };
    const used = await planFor(here.server, { maxEntries: 1 });
    const { run } = dataOf(await here.server.call("apply", { plan: used.plan, acknowledge: used.acknowledge }));
    for (const [name, root] of Object.entries(others)) {
      const server = serveInside({ libraries: { [name]: root }, state });
      await isRefused({ server, library }, /^forbidden$/, "apply", { plan, acknowledge });
      await isRefused({ server, library }, /^forbidden$/, "cleanup", { from: plan });
      await isRefused({ server, library }, /^forbidden$/, "repair", { from: plan });
      await isRefused({ server, library }, /^forbidden$/, "apply", used as unknown as Record<string, unknown>);
      await isRefused({ server, library }, /^forbidden$/, "undo", { run, acknowledge: "x" });
      await isRefused({ server, library }, /^forbidden$/, "history", { run });
      assert.deepEqual(dataOf(await server.call("history"))["runs"], []);
    }
    const none = serveInside({ libraries: {}, state });
    await isRefused({ server: none, library }, /^forbidden$/, "apply", { plan, acknowledge });
  });

  it("is refused by a server with a smaller bound, and works where it fits", async () => {
    const here = await scene();
    const { plan, acknowledge } = here.token;
    for (const bounds of [{ maxEntries: 1 }, { maxEntries: 0 }, { maxBytes: 1 }, { maxEntries: 5, maxBytes: 10 }]) {
      const server = serveInside({
        libraries: { movies: here.library },
        state: here.server.context.state,
        bounds: { confined: true, ...bounds },
      });
      await isRefused({ server, library: here.library }, /^forbidden$/, "apply", { plan, acknowledge });
    }
    assert.equal(dataOf(await here.server.call("apply", { plan, acknowledge }))["entries"], 2);
  });

  it("is refused while a guard blocks the plan, with the guard's advice", async () => {
    const library = makePlace("library");
    const names = Array.from({ length: 30 }, (_, index) => `${index}.mkv`);
    const media = makeMovies(join(library, "films"), names);
    for (const path of media.slice(0, 25)) rmSync(path);
    const server = serveInside({ libraries: { movies: library } });
    const plan = dataOf(await server.call("cleanup"));
    assert.equal(plan["status"], "blocked");
    assert.match(String(plan["nextStep"]), /person/);
    await isRefused({ server, library }, /^blocked$/, "apply", {
      plan: plan["plan"],
      acknowledge: plan["acknowledge"],
    });
  });

  const bodies: [string, (body: Uint8Array) => Uint8Array | null][] = [
    ["cut off", (body) => body.slice(0, -9)],
    ["empty", () => new Uint8Array()],
    ["no gzip", () => Buffer.from("{}")],
    ["another document", () => gzipSync("{}")],
    ["no JSON", () => gzipSync("remove everything")],
    ["one bit other", (body) => body.map((byte, index) => (index === body.length >> 1 ? byte ^ 1 : byte))],
    ["one bit other at the start", (body) => body.map((byte, index) => (index === 2 ? byte ^ 8 : byte))],
  ];
  for (const [claim, alter] of bodies) {
    it(`is refused when the stored plan is ${claim}`, async () => {
      const here = await scene();
      const { plan, acknowledge } = here.token;
      const state = here.server.context.state();
      const body = state.get("SELECT body FROM plans WHERE id = ?", plan)?.["body"] as Uint8Array;
      state.write(() => state.run("UPDATE plans SET body = ? WHERE id = ?", alter(body), plan));
      await isRefused(here, /^stale_plan$/, "apply", { plan, acknowledge });
      await isRefused(here, /^stale_plan$/, "cleanup", { from: plan });
    });
  }

  it("is refused when the stored digest is another", async () => {
    const here = await scene();
    const { plan, acknowledge } = here.token;
    const state = here.server.context.state();
    for (const digest of ["", "0".repeat(64), here.token.digest.toUpperCase()]) {
      state.write(() => state.run("UPDATE plans SET digest = ? WHERE id = ?", digest, plan));
      await isRefused(here, /^stale_plan$/, "apply", { plan, acknowledge, digest });
    }
  });
});

describe("a plan that was overtaken by a change on disk", () => {
  const here = (library: string) => (name: string) => join(library, "films", name);
  const changes: [string, (path: (name: string) => string, library: string) => void, entries: number][] = [
    ["one cache got a byte", (path) => appendFileSync(path(CACHE), "\n"), 1],
    ["one cache was emptied", (path) => writeFileSync(path(CACHE), ""), 1],
    ["one cache is gone", (path) => rmSync(path(CACHE)), 1],
    ["the media is back", (path) => void writeMedia(path("."), "gone.mkv"), 1],
    ["other media has the name", (path) => writeFileSync(path("gone.mkv"), "another film"), 1],
    ["a link has the name", (path) => symlinkSync("films one.mkv", path("gone.mkv")), 1],
    ["a lock of mediabox appeared", (path) => lockNow(path("films one.mkv.lock")), 1],
    ["mediabox writes the cache", (path) => writeFileSync(path(`${CACHE}.tmp`), "{"), 1],
    [
      "the cache is a link",
      (path) => {
        renameSync(path(CACHE), path("real"));
        symlinkSync("real", path(CACHE));
      },
      1,
    ],
  ];
  for (const [claim, change, entries] of changes) {
    it(`is carried out only for the rest when ${claim}, and says what to do`, async () => {
      const { library, server, token } = await scene();
      change(here(library), library);
      const before = treeState(join(library, "films"));
      const { plan, acknowledge } = token;
      const report = dataOf(await server.call("apply", { plan, acknowledge }));
      assert.deepEqual([report["status"], report["entries"]], ["partial", entries], JSON.stringify(report));
      assert.match(String(report["nextStep"]), /refused.*new plan/);
      const refused = report["refused"] as { message: string; code: string }[];
      assert.ok(refused[0]?.message && refused[0].code);
      assert.deepEqual(treeState(join(library, "films")), before);
    });
  }

  const roots: [string, (library: string) => void][] = [
    [
      "the library was moved away and another put in its place",
      (library) => {
        renameSync(library, `${library}.old`);
        makeMovies(join(library, "films"), ["films one.mkv"]);
      },
    ],
    [
      "the library is a link to another now",
      (library) => {
        renameSync(library, `${library}.old`);
        symlinkSync(makeStaleLibrary("films", "shows"), library);
      },
    ],
    ["the library is gone", (library) => renameSync(library, `${library}.old`)],
    [
      "the library is empty",
      (library) => {
        renameSync(library, `${library}.old`);
        makeMovies(join(library, "films"), []);
        rmSync(join(library, "films"), { recursive: true });
      },
    ],
  ];
  for (const [claim, change] of roots) {
    it(`is refused when ${claim}`, async () => {
      const { library, server, token } = await scene();
      const content = treeState(library);
      change(library);
      const { plan, acknowledge } = token;
      try {
        assert.match(refusal(await server.call("apply", { plan, acknowledge }))["code"] ?? "", /^(blocked|forbidden)$/);
        assert.deepEqual(treeState(`${library}.old`), content);
      } finally {
        rmSync(`${library}.old`, { recursive: true });
      }
    });
  }

  it("is refused throughout, with the next step, when every cache was rewritten", async () => {
    const { library, server, token } = await scene();
    for (const name of ["films", "shows"]) appendFileSync(join(library, name, CACHE), " ");
    const before = treeState(library);
    const { plan, acknowledge } = token;
    const report = dataOf(await server.call("apply", { plan, acknowledge }));
    assert.deepEqual([report["status"], report["files"]], ["refused", 0]);
    assert.match(String(report["nextStep"]), /new plan/);
    assert.deepEqual(treeState(library), before);
  });

  it("is carried out when nothing but a time of the media changed that no entry speaks of", async () => {
    const { library, server, token } = await scene();
    utimesSync(join(library, "films"), 1_600_000_000, 1_600_000_000);
    const { plan, acknowledge } = token;
    assert.equal(dataOf(await server.call("apply", { plan, acknowledge }))["status"], "complete");
  });
});

function lockNow(path: string): void {
  writeFileSync(path, JSON.stringify({ hostname: "nas", pid: 1, timestamp: Date.now() / 1000 }));
}

describe("a run's token", () => {
  async function ran(parts: Partial<InsideParts> = {}) {
    const here = await scene(parts);
    const { plan, acknowledge } = here.token;
    await here.server.call("apply", { plan, acknowledge });
    const { runs } = dataOf(await here.server.call("history")) as { runs: { run: string; acknowledge: string }[] };
    assert.ok(runs[0]);
    return { ...here, ...runs[0] };
  }

  it("is not accepted with any other sentence or id", async () => {
    const here = await ran();
    for (const [, text] of forgeries(here.acknowledge).filter(([, text]) => text !== here.acknowledge)) {
      await isRefused(here, /^invalid_input$/, "undo", { run: here.run, acknowledge: text });
    }
    await isRefused(here, /^invalid_input$/, "undo", { run: here.run, acknowledge: here.token.acknowledge });
    await isRefused(here, /^not_found$/, "undo", { run: here.token.plan, acknowledge: here.acknowledge });
    for (const [, id] of wrongIds(here.run).filter(([, id]) => id !== "last")) {
      await isRefused(here, /^not_found$/, "undo", { run: id, acknowledge: here.acknowledge });
    }
    assert.equal(
      dataOf(await here.server.call("undo", { run: here.run, acknowledge: here.acknowledge }))["restored"],
      2,
    );
  });

  it("is refused once its backups are given up, with a step that does not speak of plans", async () => {
    const here = await ran();
    const state = here.server.context.state();
    state.write(() => state.run("UPDATE runs SET forgotten = 1"));
    const error = refusal(await here.server.call("undo", { run: here.run, acknowledge: here.acknowledge }));
    assert.equal(error["code"], "expired_plan");
    assert.match(error["nextStep"] ?? "", /history/);
    await isRefused(here, /^not_found$/, "undo", { run: "last", acknowledge: here.acknowledge });
  });
});

describe("a cursor", () => {
  it("is refused when it is altered, of another tool, of other arguments, expired or made up", async () => {
    const library = makePlace("library");
    for (const name of ["a", "b", "c", "d", "e"]) makeMovies(join(library, name), ["x.mkv"]);
    const server = serveInside({ libraries: { movies: library } });
    const here = { server, library };
    const cursor = String(dataOf(await server.call("list", { limit: 2 }))["nextCursor"]);
    const plain = Buffer.from(cursor, "base64url").toString();
    const made = (text: string) => Buffer.from(text).toString("base64url");
    const forged = [
      "",
      "x",
      cursor.slice(0, -4),
      cursor.toUpperCase(),
      made(plain.replace("2:", "-1:")),
      made(plain.replace("2:", "5:")),
      made(plain.replace("2:", "999999999:")),
      made(plain.replace("2:", "1e3:")),
      made(plain.replace("list", "check")),
      made(plain.replace(/[0-9a-f]{4}$/, "zzzz")),
      made("2:__proto__"),
      made("2:list.constructor"),
      "\u202e",
      "../../etc",
    ];
    for (const cursor of forged) await isRefused(here, /^(invalid_input|not_found)$/, "list", { cursor });
    for (const tool of ["check", "cleanup", "repair", "doctor"]) {
      await isRefused(here, /^not_found$/, tool, { cursor });
    }
    await isRefused(here, /^invalid_input$/, "list", { cursor, paths: ["movies"] });
    assert.equal((dataOf(await server.call("list", { cursor }))["caches"] as unknown[]).length, 3);
    server.desk.results.clear();
    await isRefused(here, /^not_found$/, "list", { cursor });
  });
});

describe("tokens", () => {
  it("were refused more than two hundred times above", () => {
    assert.ok(refusals > 200, String(refusals));
  });
});
