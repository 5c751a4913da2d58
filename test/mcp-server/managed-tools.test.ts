import assert from "node:assert/strict";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { operations } from "../../shared/index.ts";
import { cli, cliEnvironment } from "../support/cli.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { fill } from "../shared/managed/managed-place.ts";
import { connect, ERAS, errorOf, type Agent, type Era } from "./agent.ts";

const ALL = ["--tools", "default,managed"];

/** A managed cache with these directories of 1000 bytes each, and the file that configures it. */
function makeCache(...names: readonly string[]) {
  const root = makePlace("downloads");
  for (const [index, name] of names.entries()) fill(root, `${name}/film.mkv`, 1000, 86_400 * (index + 1));
  const config = join(makePlace("configuration"), "config.json");
  writeFileSync(config, JSON.stringify({ managed: [{ name: "downloads", root }] }));
  return { root, config };
}

async function withAgent(
  era: Era,
  { config }: { readonly config: string },
  words: readonly string[],
  work: (agent: Agent) => Promise<void>,
): Promise<void> {
  const agent = await connect(era, words, undefined, undefined, config);
  try {
    await work(agent);
  } finally {
    await agent.close();
  }
}

const contentOf = async (agent: Agent, name: string, args?: Record<string, unknown>) => {
  const { structuredContent, content, isError } = await agent.call(name, args);
  assert.notEqual(isError, true, content[0]?.text ?? "");
  return structuredContent ?? {};
};

describe("tools for managed caches", () => {
  it("are offered by the word of their group, beside the default ones, with right hints", async () => {
    const defaults = operations.filter(({ isExtraTool }) => isExtraTool !== true).map(({ name }) => name);
    const managed = operations
      .filter(({ isExtraTool, input }) => isExtraTool === true && JSON.stringify(input).includes("anaged cache"))
      .map(({ name }) => name);
    assert.ok(managed.includes("directories") && managed.includes("evict"));
    const offered = async (words: readonly string[]) => {
      const found: Awaited<ReturnType<Agent["client"]["listTools"]>>["tools"] = [];
      await withAgent("2025", makeCache("A"), words, async ({ client }) => {
        found.push(...(await client.listTools()).tools);
      });
      return found;
    };
    const both = await offered(ALL);
    const names = operations.map(({ name }) => name).filter((name) => [...defaults, ...managed].includes(name));
    assert.deepEqual(
      both.map(({ name }) => name),
      names,
    );
    for (const { name, annotations } of both) {
      assert.equal(annotations?.idempotentHint, name !== "touch", name);
      assert.equal(annotations?.destructiveHint, name === "apply", name);
    }
    const looking = await offered(["--tools", "managed", "--read-only"]);
    assert.deepEqual(
      looking.map(({ name }) => name),
      managed.filter((name) => operations.find((operation) => operation.name === name)?.effect === "read"),
    );
    for (const { annotations } of looking) assert.equal(annotations?.readOnlyHint, true);
  });

  it("are refused by a word that names none, with those that do", () => {
    const { code, stderr } = cli(["mcp", "--tools", "managed,format"], cliEnvironment());
    assert.equal(code, 2);
    assert.match(stderr, /there is no tool format[^]*default, managed, engines, jellyfin, list, /);
  });

  for (const era of ERAS) {
    it(`take an agent of ${era} from register to undo, and the directory is as it was`, async () => {
      const cache = makeCache("Film");
      const before = treeState(join(cache.root, "Film"));
      await withAgent(era, cache, ALL, async (agent) => {
        assert.equal((await contentOf(agent, "register", { path: "Film" }))["isNew"], true);
        assert.equal((await contentOf(agent, "register", { path: join(cache.root, "Film") }))["isNew"], false);
        const list = await contentOf(agent, "directories");
        assert.deepEqual([list["registered"], list["bytes"], list["nextCursor"]], [1, 1000, null]);

        const plan = await contentOf(agent, "evict", { paths: ["Film"] });
        assert.match(
          String(plan["acknowledge"]),
          /^evict 1 directory in 1 cache under downloads; undo until \d{4}-\d\d-\d\d$/,
        );
        assert.ok(existsSync(join(cache.root, "Film")));
        const wrong = errorOf(await agent.call("apply", { plan: plan["plan"], acknowledge: "evict everything" }));
        assert.equal(wrong["code"], "invalid_input");
        assert.ok(existsSync(join(cache.root, "Film")));

        const report = await contentOf(agent, "apply", { plan: plan["plan"], acknowledge: plan["acknowledge"] });
        assert.deepEqual([report["status"], report["entries"]], ["complete", 1]);
        assert.equal(existsSync(join(cache.root, "Film")), false);
        assert.equal((await contentOf(agent, "directories"))["registered"], 0);

        const { runs } = (await contentOf(agent, "history")) as { runs: { run: string; acknowledge: string }[] };
        await contentOf(agent, "undo", { run: runs[0]?.run, acknowledge: runs[0]?.acknowledge });
        assert.deepEqual(treeState(join(cache.root, "Film")), before);
        assert.equal((await contentOf(agent, "directories"))["registered"], 1);
      });
    });
  }

  it("show the directories page by page, each once, with only the fields that were asked for", async () => {
    const names = Array.from({ length: 25 }, (_, index) => `Film ${String(index).padStart(2, "0")}`);
    await withAgent("2026", makeCache(...names), ALL, async (agent) => {
      assert.equal((await contentOf(agent, "reconcile"))["registered"], 25);
      const seen: string[] = [];
      const args = { order: "oldest", limit: 10, fields: ["path"] };
      for (let cursor: unknown; cursor !== null;) {
        const page = await contentOf(agent, "directories", { ...args, ...(cursor === undefined ? {} : { cursor }) });
        assert.equal(page["registered"], 25);
        for (const row of page["directories"] as Record<string, string>[]) {
          assert.deepEqual(Object.keys(row), ["path"]);
          seen.push(row["path"] ?? "");
        }
        cursor = page["nextCursor"];
      }
      assert.deepEqual(seen, names.toReversed());
      const wrong = errorOf(await agent.call("directories", { fields: ["password"] }));
      assert.match(wrong["message"] ?? "", /have no field "password"/);
    });
  });

  it("refuse what leads or lies outside, what is a link, what is pinned or not registered, and change nothing", async () => {
    const cache = makeCache("Film", "Pinned");
    mkdirSync(join(cache.root, "deep/er"), { recursive: true });
    symlinkSync("/etc", join(cache.root, "link"));
    const before = treeState(cache.root);
    await withAgent("2025", cache, ALL, async (agent) => {
      await contentOf(agent, "register", { path: "Pinned" });
      await contentOf(agent, "pin", { path: "Pinned" });
      const codeOf = async (name: string, args: Record<string, unknown>) =>
        errorOf(await agent.call(name, args))["code"];
      for (const path of ["..", "../etc", "/etc", "//etc", "Film/../../etc", "link"]) {
        for (const name of ["register", "info"])
          assert.equal(await codeOf(name, { path }), "forbidden", `${name} ${path}`);
      }
      for (const path of ["", ".", "deep/er", "a\u0000b"]) {
        assert.equal(await codeOf("register", { path }), "invalid_input", JSON.stringify(path));
      }
      for (const name of ["touch", "pin", "forget"])
        assert.equal(await codeOf(name, { path: "Film" }), "not_found", name);
      const unknown = errorOf(await agent.call("evict", { paths: ["Film"] }));
      assert.equal(unknown["code"], "not_found");
      assert.match(unknown["nextStep"] ?? "", /directories/);
      assert.equal(await codeOf("evict", { paths: ["Pinned"] }), "forbidden");
      assert.equal(await codeOf("evict", { cache: ["music"] }), "invalid_input");
      // Passing over a guard is for a person.
      assert.equal(await codeOf("evict", { allow: ["in_use"] }), "invalid_input");
      assert.equal((await contentOf(agent, "evict"))["status"], "empty");
    });
    assert.deepEqual(treeState(cache.root), before);
  });

  it("say what to do where none is configured", async () => {
    const config = join(makePlace("configuration"), "config.json");
    writeFileSync(config, "{}");
    await withAgent("2025", { config }, ["--tools", "managed"], async (agent) => {
      const error = errorOf(await agent.call("directories"));
      assert.equal(error["code"], "not_found");
      assert.match(error["hint"] ?? "", /`managed` in the configuration/);
    });
  });
});
