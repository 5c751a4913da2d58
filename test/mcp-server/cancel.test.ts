import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { makePlace } from "../support/place.ts";
import { makeMovies } from "../support/library.ts";
import { treeState } from "../support/tree.ts";
import { connect, ERAS, type Agent, type Era, type Result } from "./agent.ts";
import { dataOf } from "./inside.ts";

/** A library of so many directories with two films and a cache each; where `stale`, one film of each is gone. */
function makeLibrary(directories: number, stale: boolean): string {
  const library = makePlace("many");
  for (let index = 0; index < directories; index += 1) {
    const [gone = ""] = makeMovies(join(library, String(index % 50), String(index)), [`${index}.mkv`, "here.mkv"]);
    if (stale) rmSync(gone);
  }
  return library;
}

/** Calls a tool with progress; `stop` is asked at each report whether to cancel. */
async function callWatched(
  era: Era,
  { client }: Agent,
  name: string,
  args: Record<string, unknown>,
  stop: (progress: number) => boolean,
) {
  const seen: number[] = [];
  const controller = new AbortController();
  let seenAtStop = 0;
  const onprogress = ({ progress }: { readonly progress: number }) => {
    seen.push(progress);
    if (controller.signal.aborted || !stop(progress)) return;
    seenAtStop = seen.length;
    controller.abort();
  };
  const options = { onprogress, signal: controller.signal, timeout: 100_000 };
  // The client of 2026 has no schema between the request and its options.
  const params = { name, arguments: args };
  const modern = client as unknown as { callTool(request: typeof params, how: typeof options): Promise<unknown> };
  const call = era === "2026" ? modern.callTool(params, options) : client.callTool(params, undefined, options);
  const answer = await call.then(
    (result) => result as Result,
    () => undefined,
  );
  return { answer, seen, seenAfterStop: controller.signal.aborted ? seen.length - seenAtStop : 0 };
}

for (const era of ERAS) {
  describe(`long work over stdio, to a client of ${era}`, () => {
    let library: string;
    before(() => {
      library = makeLibrary(3000, true);
    });

    it("reports progress that only grows, and answers other calls before it is done", async () => {
      const agent = await connect(era, ["--root", library]);
      try {
        // The first call of a connection also learns the tools; what counts is how long others wait for the check.
        await agent.call("history");
        const state = { isDone: false };
        const waits: number[] = [];
        const check = callWatched(era, agent, "check", { limit: 1 }, () => false).finally(() => (state.isDone = true));
        let early = 0;
        while (!state.isDone) {
          const start = performance.now();
          await agent.call("history");
          if (state.isDone) break;
          waits.push(performance.now() - start);
          early += 1;
        }
        const { answer, seen } = await check;
        assert.ok(answer);
        assert.equal(dataOf(answer)["caches"], 3000);
        assert.ok(early >= 1, "no other call was answered meanwhile");
        assert.ok(seen.length >= 1);
        for (const [index, progress] of seen.entries()) assert.ok(index === 0 || progress > (seen[index - 1] ?? 0));
        console.log(
          `      ${early} calls answered during the check, the longest after ${Math.max(...waits).toFixed(0)} ms`,
        );
      } finally {
        await agent.close();
      }
    });

    it("stops a check that is cancelled: no progress follows, and the next call is answered", async () => {
      const agent = await connect(era, ["--root", library]);
      try {
        const { answer, seen, seenAfterStop } = await callWatched(era, agent, "check", { limit: 1 }, () => true);
        assert.equal(answer, undefined);
        await agent.call("doctor");
        assert.equal(seenAfterStop, 0);
        assert.ok((seen.at(-1) ?? 0) < 3000, String(seen));
        assert.equal(dataOf(await agent.call("history"))["nextCursor"], null);
      } finally {
        await agent.close();
      }
    });

    it("leaves a run that is cancelled in the middle in the journal, and undo restores every byte", async () => {
      const stale = makeLibrary(400, true);
      const before = treeState(stale);
      const agent = await connect(era, ["--root", stale]);
      try {
        const large = { detail: "concise", include: ["**"] };
        const plan = dataOf(await agent.call("cleanup", large));
        assert.deepEqual([plan["status"], plan["entries"]], ["ready", 400]);
        const args = { plan: plan["plan"], acknowledge: plan["acknowledge"] };
        const { answer } = await callWatched(era, agent, "apply", args, () => true);
        assert.equal(answer, undefined);
        const run = await endedRun(agent);
        assert.equal(run["status"], "cancelled");
        const done = Number(run["entries"]);
        assert.ok(done > 0 && done < 400, String(done));
        const report = dataOf(await agent.call("apply", args));
        assert.deepEqual([report["status"], report["entries"]], ["cancelled", done]);
        assert.equal(Number(report["notTried"]) + done, 400);
        const undone = dataOf(await agent.call("undo", { run: run["run"], acknowledge: run["acknowledge"] }));
        assert.deepEqual([undone["status"], undone["restored"]], ["complete", done]);
        assert.deepEqual(treeState(stale), before);
      } finally {
        await agent.close();
      }
    });
  });
}

/** The latest run, once it is no longer going on. */
async function endedRun(agent: Agent): Promise<Record<string, unknown>> {
  for (;;) {
    const { runs } = dataOf(await agent.call("history")) as { runs: Record<string, unknown>[] };
    if (runs[0] !== undefined && runs[0]["status"] !== "running") return runs[0];
  }
}
