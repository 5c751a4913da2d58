import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { makePlace } from "../support/place.ts";
import { copyLibrary } from "../support/library.ts";
import { treeState } from "../support/tree.ts";
import { connect, ERAS, errorOf, type Agent, type Person } from "./agent.ts";
import { bodies, send } from "./http-client.ts";
import { connectHttp, startHttp } from "./http-server.ts";

const MATRIX = "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv";

/** Characters that could deceive whoever reads the question: controls, bidi, zero width. */
const DECEIVING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

function makeStale(): string {
  const library = copyLibrary();
  rmSync(join(library, MATRIX));
  return library;
}

/** The plan of a cleanup, as it has to be given to apply. */
async function planOf(agent: Agent): Promise<Record<string, unknown>> {
  const { plan, acknowledge } = (await agent.call("cleanup")).structuredContent ?? {};
  return { plan, acknowledge };
}

/** A person who always says the same, and remembers what they were asked. */
function makePerson(answer: ReturnType<Person>): { readonly person: Person; readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    person: (question) => {
      asked.push(question);
      return answer;
    },
  };
}

const YES = { action: "accept", content: { confirm: true } } as const;
const NOS = [
  ["declines", { action: "decline" }],
  ["cancels", { action: "cancel" }],
  ["sends the form without a yes", { action: "accept", content: { confirm: false } }],
] as const;

for (const era of ERAS) {
  for (const words of [[], ["--confirm"]]) {
    describe(`a person at a client of ${era} that can ask them${words.length > 0 ? ", with --confirm" : ""}`, () => {
      it("is asked with the very sentence before anything changes, and again before it is undone", async () => {
        const library = makeStale();
        const before = treeState(library);
        const { person, asked } = makePerson(YES);
        const agent = await connect(era, ["--root", library, ...words], undefined, person);
        try {
          const args = await planOf(agent);
          assert.equal(asked.length, 0);
          const done = await agent.call("apply", args);
          assert.equal(done.structuredContent?.["entries"], 1);
          assert.equal(asked.length, 1);
          assert.ok(asked[0]?.includes(String(args["acknowledge"])), asked[0]);
          assert.notDeepEqual(treeState(library), before);

          const { runs } = (await agent.call("history")).structuredContent as {
            runs: { run: string; acknowledge: string }[];
          };
          const [last] = runs;
          const undone = await agent.call("undo", { run: last?.run, acknowledge: last?.acknowledge });
          assert.equal(undone.structuredContent?.["restored"], 1);
          assert.equal(asked.length, 2);
          assert.ok(asked[1]?.includes(String(last?.acknowledge)), asked[1]);
          assert.deepEqual(treeState(library), before);
        } finally {
          await agent.close();
        }
      });

      for (const [does, answer] of NOS) {
        it(`who ${does} keeps the library as it was, and the agent is told so`, async () => {
          const library = makeStale();
          const before = treeState(library);
          const { person, asked } = makePerson(answer);
          const agent = await connect(era, ["--root", library, ...words], undefined, person);
          try {
            const error = errorOf(await agent.call("apply", await planOf(agent)));
            assert.deepEqual([error["code"], error["message"]], ["forbidden", "the person did not agree"]);
            assert.match(error["hint"] ?? "", /Nothing was changed/);
            assert.equal(asked.length, 1);
            assert.deepEqual(treeState(library), before);
            assert.deepEqual((await agent.call("history")).structuredContent?.["runs"], []);
          } finally {
            await agent.close();
          }
        });
      }

      it("who agrees to another sentence than the plan's has agreed to nothing", async () => {
        const library = makeStale();
        const before = treeState(library);
        const { person } = makePerson(YES);
        const agent = await connect(era, ["--root", library, ...words], undefined, person);
        try {
          const { plan } = await planOf(agent);
          const wrong = await agent.call("apply", { plan, acknowledge: "tidy up a little" });
          assert.equal(errorOf(wrong)["code"], "invalid_input");
          assert.deepEqual(treeState(library), before);
        } finally {
          await agent.close();
        }
      });
    });
  }

  describe(`a question to the person at a client of ${era}`, () => {
    it("holds no character that could deceive them, whatever the agent or a directory is called", async () => {
      const { person, asked } = makePerson({ action: "decline" });
      const library = makeStale();
      const agent = await connect(era, ["--root", library], undefined, person);
      const hostile = [
        "x\u202Egnp.exe",
        "a\u200Bb",
        "one\nAllow everything?",
        "\u001B[2Jgone",
        "\u2066right\u2069",
        "tag\u{E0041}",
      ];
      try {
        const { plan } = await planOf(agent);
        for (const acknowledge of hostile) {
          assert.equal(errorOf(await agent.call("apply", { plan, acknowledge }))["code"], "forbidden");
        }
        assert.equal(asked.length, hostile.length);
        for (const question of asked) assert.doesNotMatch(question, DECEIVING);
      } finally {
        await agent.close();
      }
    });

    it("is short, however long the agent's sentence is", async () => {
      const { person, asked } = makePerson({ action: "decline" });
      const agent = await connect(era, ["--root", makeStale()], undefined, person);
      try {
        const { plan } = await planOf(agent);
        await agent.call("apply", { plan, acknowledge: "yes ".repeat(5000) });
        assert.equal(asked.length, 1);
        assert.ok((asked[0]?.length ?? 0) < 600, asked[0]);
      } finally {
        await agent.close();
      }
    });

    it("is not put for anything that only reads", async () => {
      const { person, asked } = makePerson({ action: "decline" });
      const agent = await connect(era, ["--root", makeStale(), "--confirm"], makePlace("state"), person);
      try {
        for (const name of ["stats", "check", "list", "cleanup", "repair", "history", "doctor"]) {
          assert.notEqual((await agent.call(name)).isError, true, name);
        }
        assert.deepEqual(asked, []);
      } finally {
        await agent.close();
      }
    });
  });

  describe(`with --confirm, a client of ${era} that cannot ask anybody`, () => {
    it("gets no change made: not a plan applied, not a run undone, not a conversion recorded", async () => {
      const library = makeStale();
      const state = makePlace("state");
      const free = await connect(era, ["--root", library], state);
      const applied = await free.call("apply", await planOf(free));
      await free.close();
      const [before, run] = [treeState(library), applied.structuredContent?.["run"]];
      assert.ok(run);

      const agent = await connect(era, ["--root", library, "--confirm"], state);
      try {
        const { runs } = (await agent.call("history")).structuredContent as { runs: { acknowledge: string }[] };
        const undo = await agent.call("undo", { run, acknowledge: runs[0]?.acknowledge });
        const apply = await agent.call("apply", await planOf(agent));
        const record = await agent.call("record", { media: join(library, "movies/Names/.hidden.mkv") });
        for (const refused of [undo, apply, record]) {
          const { code, message } = errorOf(refused);
          assert.equal(code, "forbidden");
          assert.match(message ?? "", /the operator asks for a person's yes/);
        }
        assert.deepEqual(treeState(library), before);
      } finally {
        await agent.close();
      }
    });
  });
}

describe("what a client says of asking its person", () => {
  it("counts when it can show a form, and leaves the library alone when it can only open a page", async () => {
    const library = makeStale();
    const before = treeState(library);
    const server = await startHttp(["--root", library, "--confirm"]);
    const agent = await connectHttp("2026", server);
    const plan = await planOf(agent);
    await agent.close();
    const answers: [object, RegExp][] = [
      [{}, /the operator asks for a person's yes/],
      [{ elicitation: { url: {} } }, /the operator asks for a person's yes/],
      [{ elicitation: {} }, /"input_required"/],
      [{ elicitation: { form: {} } }, /"input_required"/],
      [{ elicitation: { form: {}, url: {} } }, /"input_required"/],
    ];
    for (const [capabilities, answer] of answers) {
      const { status, text } = await send(server, bodies(plan, "", capabilities).modern);
      assert.equal(status, 200);
      assert.match(text, answer, JSON.stringify(capabilities));
    }
    assert.deepEqual(treeState(library), before);
  });
});
