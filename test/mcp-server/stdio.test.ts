import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { operations } from "../../shared/index.ts";
import { copyLibrary } from "../support/library.ts";
import { treeState } from "../support/tree.ts";
import { connect, ERAS, errorOf } from "./agent.ts";

const MATRIX = "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv";

/** A real library with one deleted film. */
function makeStale(): string {
  const library = copyLibrary();
  rmSync(join(library, MATRIX));
  return library;
}

for (const era of ERAS) {
  describe(`the MCP server over stdio, to a client of ${era}`, () => {
    it("offers the operations that are no extras as tools with all four hints, in at most 16 KB", async () => {
      const agent = await connect(era, ["--root", copyLibrary()]);
      try {
        const list = await agent.client.listTools();
        assert.deepEqual(
          list.tools.map(({ name }) => name),
          operations.filter(({ isExtraTool }) => isExtraTool !== true).map(({ name }) => name),
        );
        assert.ok(list.tools.length <= 12);
        for (const { name, annotations, outputSchema, title } of list.tools) {
          const effect = operations.find((operation) => operation.name === name)?.effect;
          assert.equal(annotations?.readOnlyHint, effect === "read", name);
          assert.equal(annotations?.destructiveHint, effect === "destroy", name);
          assert.equal(typeof annotations?.idempotentHint, "boolean");
          assert.equal(annotations?.openWorldHint, false);
          assert.equal(outputSchema?.type, "object");
          assert.ok(title);
        }
        assert.ok(JSON.stringify(list.tools).length <= 16_384, String(JSON.stringify(list.tools).length));
      } finally {
        await agent.close();
      }
    });

    it("takes an agent from statistics to undo, and the library is as it was, byte for byte", async () => {
      const library = makeStale();
      const before = treeState(library);
      const agent = await connect(era, ["--root", library]);
      try {
        assert.equal((await agent.call("stats")).structuredContent?.["totalFiles"], 43);
        assert.deepEqual((await agent.call("check")).structuredContent?.["byProblem"], { orphaned: 1 });
        const plan = (await agent.call("cleanup")).structuredContent;
        assert.match(
          String(plan?.["acknowledge"]),
          /^remove 1 entry in 1 cache under library; undo until \d{4}-\d\d-\d\d$/,
        );
        assert.deepEqual(treeState(library), before);

        const wrong = errorOf(
          await agent.call("apply", { plan: plan?.["plan"], acknowledge: "yes, remove everything" }),
        );
        assert.equal(wrong["code"], "invalid_input");
        assert.equal(errorOf(await agent.call("apply", { plan: plan?.["plan"] }))["code"], "invalid_input");
        assert.deepEqual(treeState(library), before);

        const args = { plan: plan?.["plan"], acknowledge: plan?.["acknowledge"] };
        const report = (await agent.call("apply", args)).structuredContent;
        assert.deepEqual([report?.["status"], report?.["entries"]], ["complete", 1]);
        assert.notDeepEqual(treeState(library), before);
        assert.deepEqual((await agent.call("apply", args)).structuredContent, report);

        const { runs } = (await agent.call("history")).structuredContent as {
          runs: { run: string; acknowledge: string }[];
        };
        assert.equal(
          errorOf(await agent.call("undo", { run: runs[0]?.run, acknowledge: "undo" }))["code"],
          "invalid_input",
        );
        const undone = await agent.call("undo", { run: runs[0]?.run, acknowledge: runs[0]?.acknowledge });
        assert.equal(undone.structuredContent?.["restored"], 1);
        assert.deepEqual(treeState(library), before);
      } finally {
        await agent.close();
      }
    });

    it("returns the same as text and as structure, with a link to the whole plan", async () => {
      const agent = await connect(era, ["--root", makeStale()]);
      try {
        const { content, structuredContent } = await agent.call("cleanup");
        assert.deepEqual(JSON.parse(content[0]?.text ?? ""), structuredContent);
        assert.equal(content[1]?.uri, `cache://plan/${structuredContent?.["plan"]}`);
        const { contents } = await agent.client.readResource({ uri: content[1]?.uri ?? "" });
        const [whole] = contents as { text: string }[];
        assert.equal((JSON.parse(whole?.text ?? "") as { changes: unknown[] }).changes.length, 1);
      } finally {
        await agent.close();
      }
    });

    it("answers an unknown tool with a protocol error, and bad input with path, rule and allowed values", async () => {
      const agent = await connect(era, ["--root", copyLibrary()]);
      try {
        await assert.rejects(agent.call("format_disk"), { code: -32_602 });
        const bad = errorOf(await agent.call("check", { problem: ["rotten"] }));
        assert.equal(bad["code"], "invalid_input");
        assert.match(bad["message"] ?? "", /\/problem\/0: must be one of "orphaned".*not "rotten"/);
        assert.ok(bad["nextStep"]);
        assert.match(errorOf(await agent.call("check", { path: "x" }))["message"] ?? "", /unknown property "path"/);
      } finally {
        await agent.close();
      }
    });

    it("offers prompts with descriptions and completes ids of runs", async () => {
      const library = makeStale();
      const agent = await connect(era, ["--root", library]);
      try {
        const { prompts } = await agent.client.listPrompts();
        assert.equal(prompts.length, 3);
        for (const { description } of prompts) assert.ok(description);
        const plan = (await agent.call("cleanup")).structuredContent;
        const run = (await agent.call("apply", { plan: plan?.["plan"], acknowledge: plan?.["acknowledge"] }))
          .structuredContent;
        const { completion } = await agent.client.complete({
          ref: { type: "ref/resource", uri: "cache://run/{id}" },
          argument: { name: "id", value: "run-" },
        });
        assert.deepEqual(completion.values, [run?.["run"]]);
      } finally {
        await agent.close();
      }
    });
  });
}

describe("the operator's bounds", () => {
  it("leave out the tools that change something when the server is read-only", async () => {
    const agent = await connect("2025", ["--root", copyLibrary(), "--read-only"]);
    try {
      const { tools } = await agent.client.listTools();
      assert.deepEqual(
        tools.map(({ name }) => name),
        operations
          .filter(({ effect, isExtraTool }) => effect === "read" && isExtraTool !== true)
          .map(({ name }) => name),
      );
      await assert.rejects(agent.call("apply", { plan: "plan-x", acknowledge: "x" }), { code: -32_602 });
    } finally {
      await agent.close();
    }
  });

  it("let an agent touch nothing outside the libraries: no path, no plan, no run of others", async () => {
    const [mine, other] = [copyLibrary(), makeStale()];
    const agent = await connect("2025", ["--root", mine]);
    try {
      for (const path of [other, `${mine}/..`, `${mine}-twin`, "/etc", "/"]) {
        assert.match(
          errorOf(await agent.call("check", { paths: [path] }))["code"] ?? "",
          /^(forbidden|not_found)$/,
          path,
        );
      }
      assert.equal(errorOf(await agent.call("record", { media: join(other, "x.mkv") }))["code"], "forbidden");
    } finally {
      await agent.close();
    }
  });

  it("refuse a plan that changes more entries than the operator allows", async () => {
    const library = makeStale();
    rmSync(join(library, "movies/Names/.hidden.mkv"));
    const agent = await connect("2025", ["--root", library, "--max-entries", "1"]);
    try {
      const plan = (await agent.call("cleanup")).structuredContent;
      const args = { plan: plan?.["plan"], acknowledge: plan?.["acknowledge"] };
      assert.equal(errorOf(await agent.call("apply", args))["code"], "forbidden");
      const small = (await agent.call("cleanup", { maxEntries: 1 })).structuredContent;
      const done = await agent.call("apply", { plan: small?.["plan"], acknowledge: small?.["acknowledge"] });
      assert.equal(done.structuredContent?.["entries"], 1);
    } finally {
      await agent.close();
    }
  });

  it("refuse a plan that frees more bytes than the operator allows", async () => {
    const library = makeStale();
    const before = treeState(library);
    const agent = await connect("2026", ["--root", library, "--max-bytes", "100"]);
    try {
      const plan = (await agent.call("cleanup")).structuredContent;
      const args = { plan: plan?.["plan"], acknowledge: plan?.["acknowledge"] };
      assert.equal(errorOf(await agent.call("apply", args))["code"], "forbidden");
      assert.deepEqual(treeState(library), before);
    } finally {
      await agent.close();
    }
  });

  it("change nothing when a person must say yes and the client cannot ask", async () => {
    const library = makeStale();
    const before = treeState(library);
    for (const era of ERAS) {
      const agent = await connect(era, ["--root", library, "--confirm"]);
      try {
        const plan = (await agent.call("cleanup")).structuredContent;
        const args = { plan: plan?.["plan"], acknowledge: plan?.["acknowledge"] };
        assert.equal(errorOf(await agent.call("apply", args))["code"], "forbidden");
        assert.deepEqual(treeState(library), before);
      } finally {
        await agent.close();
      }
    }
  });
});
