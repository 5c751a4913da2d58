import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { operations, type Context } from "../../shared/index.ts";
import { startDockerList } from "../support/docker-list.ts";
import { KEY, makeJellyfin, type Jellyfin } from "../support/jellyfin.ts";
import { makePlace } from "../support/place.ts";
import { connect, ERAS, errorOf, type Agent, type Person } from "./agent.ts";
import { dataOf, refusal, serveInside } from "./inside.ts";

const TOOLS = ["engines", "empty", "jellyfin", "clear"];
const CONTAINER = "a1".repeat(32);

/** What a server was asked to change. */
const changesOf = ({ seen }: Jellyfin) => seen.filter(({ method }) => method !== "GET");

/** A server in this process for one Jellyfin server, with these bounds. */
function makeScene(parts: { readonly bounds?: Context["bounds"]; readonly state?: Context["state"] } = {}) {
  const home = makeJellyfin();
  const { fetch, wait } = home;
  const server = serveInside({
    libraries: {},
    config: { jellyfin: [{ name: "home", url: "http://home.local:8096" }] },
    jellyfin: { fetch, wait, token: async () => KEY },
    bounds: { confined: true, ...parts.bounds },
    now: home.now,
    ...(parts.state === undefined ? {} : { state: parts.state }),
  });
  const plan = async (args: Record<string, unknown> = {}) => {
    const { plan, acknowledge } = dataOf(await server.call("clear", args));
    return { plan, acknowledge };
  };
  return { home, server, plan };
}

describe("tools for engines and Jellyfin", () => {
  it("are offered by the words of their groups, beside the default ones, with right hints", async () => {
    const defaults = operations.filter(({ isExtraTool }) => isExtraTool !== true).map(({ name }) => name);
    const offered = async (words: readonly string[]) => {
      const agent = await connect("2025", words);
      try {
        return (await agent.client.listTools()).tools;
      } finally {
        await agent.close();
      }
    };
    const all = await offered(["--tools", "default,engines,jellyfin"]);
    assert.deepEqual(
      all.map(({ name }) => name),
      operations.map(({ name }) => name).filter((name) => [...defaults, ...TOOLS].includes(name)),
    );
    const looking = await offered(["--tools", "engines,jellyfin", "--read-only"]);
    assert.deepEqual(looking.map(({ name }) => name).toSorted(), TOOLS.toSorted());
    for (const { name, annotations, inputSchema } of looking) {
      assert.equal(annotations?.readOnlyHint, true, name);
      // Passing over a guard is for a person.
      assert.ok(!("allow" in (inputSchema.properties ?? {})), name);
    }
    assert.deepEqual(
      (await offered([])).map(({ name }) => name),
      defaults,
    );
  });

  it("clear what was planned once the sentence is repeated, and say that it cannot be undone", async () => {
    const { home, server, plan } = makeScene();
    const args = await plan({ section: ["series"] });
    assert.match(String(args.acknowledge), /^clear 1 channel cache .*under home; cannot be undone$/);
    const wrong = refusal(await server.call("apply", { ...args, acknowledge: "clear everything" }));
    assert.equal(wrong["code"], "invalid_input");
    assert.deepEqual(changesOf(home), []);
    const report = dataOf(await server.call("apply", args));
    assert.equal(report["status"], "complete");
    assert.ok(changesOf(home).length > 0);
    assert.equal(report["undoUntil"], null);
    const undone = refusal(await server.call("undo", { run: report["run"], acknowledge: "undo" }));
    assert.ok(undone["message"]);
  });

  it("change no more at once than the operator allows", async () => {
    const { home, server, plan } = makeScene({ bounds: { confined: true, maxEntries: 1 } });
    const both = await plan({ detail: "full" });
    const refused = refusal(await server.call("apply", both));
    assert.equal(refused["code"], "forbidden");
    assert.match(refused["message"] ?? "", /changes 2 entries; the operator allows 1/);
    assert.deepEqual(changesOf(home), []);
    const one = await plan({ from: both.plan, only: [1] });
    assert.equal(dataOf(await server.call("apply", one))["status"], "complete");
  });

  it("change nothing on a server that the operator does not name, though a plan for it is at hand", async () => {
    const here = makeScene();
    const planned = await here.plan();
    const other = serveInside({ libraries: {}, config: {}, state: here.server.context.state });
    const report = await other.call("apply", planned);
    if (report.isError !== true) assert.equal(dataOf(report)["status"], "refused");
    assert.deepEqual(changesOf(here.home), []);
    assert.equal(refusal(await other.call("jellyfin"))["code"], "not_found");
  });

  it("take no address but by its name in the configuration", async () => {
    const { server } = makeScene();
    for (const [tool, args] of [
      ["engines", { socket: "/var/run/docker.sock" }],
      ["empty", { endpoint: "tcp://127.0.0.1:2375" }],
      ["empty", { path: "/etc" }],
      ["jellyfin", { url: "http://127.0.0.1:9" }],
      ["clear", { server: "home", token: "x" }],
      ["clear", { allow: ["provider_shrunk"] }],
    ] as const) {
      assert.equal(refusal(await server.call(tool, args))["code"], "invalid_input", tool);
    }
    const unknown = refusal(await server.call("clear", { server: ["http://127.0.0.1:9"] }));
    assert.equal(unknown["code"], "not_found");
    assert.equal(unknown["nextStep"], "Call jellyfin to see what there is.");
  });

  it("say what is down, and go on with the others", async () => {
    const docker = await startDockerList([{ id: CONTAINER }]);
    const config = {
      engines: [
        { name: "ace", socket: docker.endpoint },
        { name: "far", socket: "tcp://127.0.0.1:9" },
      ],
    };
    const server = serveInside({ libraries: {}, config });
    const seen = dataOf(await server.call("engines"));
    assert.deepEqual(
      (seen["caches"] as { containerId: string }[]).map(({ containerId }) => containerId),
      [CONTAINER],
    );
    assert.match(JSON.stringify(seen["errors"]), /"far".*unavailable/);
    assert.match(String(seen["nextStep"]), /errors/);
    await docker.stop();
    const down = refusal(await server.call("engines"));
    assert.equal(down["code"], "unavailable");
  });
});

for (const era of ERAS) {
  describe(`a person at a client of ${era}, asked before a server is cleared`, () => {
    const cases: readonly (readonly [string, ReturnType<Person>, number])[] = [
      ["has it cleared by a yes", { action: "accept", content: { confirm: true } }, 1],
      ["keeps it by a no", { action: "decline" }, 0],
    ];
    for (const [claim, answer, cleared] of cases) {
      it(claim, async () => {
        const home = makeJellyfin();
        const { url, close } = await home.serve(1000);
        const config = join(makePlace("configuration"), "config.json");
        writeFileSync(config, JSON.stringify({ jellyfin: [{ name: "home", url }] }));
        const asked: string[] = [];
        const person: Person = (question) => {
          asked.push(question);
          return answer;
        };
        const words = ["--root", makePlace("library"), "--tools", "default,jellyfin", "--confirm"];
        const agent: Agent = await connect(era, words, undefined, person, config, {
          CACHE_OPS_JELLYFIN_HOME_TOKEN: KEY,
        });
        try {
          const plan = await agent.call("clear", { section: ["series"], refill: false });
          const { plan: id, acknowledge } = plan.structuredContent ?? {};
          const done = await agent.call("apply", { plan: id, acknowledge });
          assert.equal(asked.length, 1);
          assert.ok(asked[0]?.includes(String(acknowledge)), asked[0]);
          const clears = changesOf(home).filter(({ path }) => path.endsWith("SeriesCacheClear"));
          assert.equal(clears.length, cleared);
          if (cleared === 0) assert.equal(errorOf(done)["code"], "forbidden");
          else assert.equal(done.structuredContent?.["status"], "complete", JSON.stringify(done));
          assert.ok(!JSON.stringify([plan, done]).includes(KEY));
        } finally {
          await agent.close();
          close();
        }
      });
    }
  });
}
