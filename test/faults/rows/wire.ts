import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { VERSION } from "../../mcp-server/http-client.ts";
import { startService, type ServiceServer } from "../../mcp-server/service-server.ts";
import { fill } from "../../shared/managed/managed-place.ts";
import { makeDice } from "../../support/dice.ts";
import { makeMovies } from "../../support/library.ts";
import { makeDirectory, makePlace } from "../../support/place.ts";
import { treeState } from "../../support/tree.ts";
import { growthOf, MOST_GROWN, residentOf, type Sample } from "../memory.ts";
import { eachCase, LANES, type Row, type Task } from "../row.ts";
import { makeWireClient, type WireAnswer, type WireClient } from "../wire-http.ts";
import { makeLine, startLines, type LineServer } from "../wire-lines.ts";
import { makeMessage } from "../wire-messages.ts";
import { openingRequest, properRequests, type Caller } from "../wire-requests.ts";

/** With so little, what is kept for ever is seen. */
const HEAP_MB = 160;
/** No answer may keep a processor longer. */
const LONGEST_SECONDS = 1;
/** After so many messages of a lane, proper ones are sent. */
const BATCH = 25;
/** After so many lines, another process is begun, each time in another way. */
const LINES_TOGETHER = 1000;

/** The service lets ten requests a second in, by this clock: it runs so much faster that none is refused for that. */
const FAST_CLOCK = `data:text/javascript,${encodeURIComponent(
  "const now = performance.now.bind(performance); performance.now = () => now() * 100;",
)}`;

export const wire: Row = {
  name: "wire",
  what: `requests that are changed on the wire (70 %: to REST, MCP and the routes of the download backend; headers twice, gone or absurd, odd JSON, flipped bits, control characters, wrong lengths and chunks, several at once, huge lines, cut off, with a wrong token) as bytes to a live \`cache-ops serve\`, and changed lines of JSON-RPC (30 %) to a live \`cache-ops mcp\`; callers may do everything, but nothing of what they name is there to be changed`,
  required:
    "what is whole is answered, with 2xx or 4xx or in JSON-RPC, never with an error of ours; no answer takes a second of the processor; after every 25 messages proper ones are answered as at the start, also on the same connection; the processes live with heaps of 160 and 96 MB and do not grow; nothing changes",
  count: 25_000,
  quick: 200,
  async run(task) {
    const place = makePlace("wire");
    const [films, media] = [makeDirectory(place, "films"), makeDirectory(place, "media")];
    // So few that no look at them takes to threads, whatever the clock says.
    for (let index = 0; index < 3; index += 1) {
      makeMovies(join(films, `d${index}`), ["One.mkv", "Two.mkv"]);
      fill(media, `m${index}/film.bin`);
    }
    const config = {
      libraries: [{ name: "films", roots: [films] }],
      managed: [{ name: "media", root: media }],
    };
    const before = treeState(place);
    const server = await startService({
      config,
      env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB} --import=${FAST_CLOCK}` },
    });
    while (!server.log.some(({ message }) => message === "register compared with the disk")) await delay(10);
    const configFile = join(makePlace("config"), "config.json");
    writeFileSync(configFile, JSON.stringify(config));
    const lanes = await Promise.all(Array.from({ length: LANES }, () => makeLane(server, configFile, task)));
    const begun = performance.now();
    const memory: Sample[] = [];
    await eachCase(
      task,
      async (number, at) => {
        const lane = lanes[at];
        assert.ok(lane !== undefined);
        await lane.try(number);
        if (number % 100 === 0)
          memory.push({ seconds: (performance.now() - begun) / 1000, kilobytes: residentOf(server.process.pid) });
      },
      LANES,
    );
    for (const lane of lanes) await lane.stop();
    const growth = growthOf(memory);
    if (growth !== undefined) task.count("kilobytes grown between the second and the last third", Math.max(0, growth));
    if ((growth ?? 0) > MOST_GROWN) task.failed("memory", `it grew by ${growth} kB`);
    if (server.process.exitCode !== null) task.failed("service", "the process ended");
    await server.stop();
    try {
      assert.deepEqual(treeState(place), before);
    } catch (error) {
      task.failed("nothing changes", error);
    }
  },
};

/** A client of the service, and a process of its own for lines. */
interface Lane {
  try(number: number): Promise<void>;
  stop(): Promise<void>;
}

async function makeLane(server: ServiceServer, config: string, task: Task): Promise<Lane> {
  const { host, port } = new URL(server.origin);
  const client = makeWireClient(Number(port));
  const caller: Caller = { host, token: server.token, session: "" };
  const usual = await properly(client, caller);
  const state = makePlace("state");
  let [sent, lines, logged] = [0, 0, 0];
  let agent: LineServer | undefined;
  let usualLine: string | undefined;
  const change = async (number: number) => {
    if (agent !== undefined) assert.equal(await agent.stop(), 0, "the exit code of a server whose client is gone");
    const dice = makeDice(number);
    const early = Array.from({ length: dice.below(4) }, () => makeLine(dice, number).bytes);
    const era = dice.pick(["2025", "2026"] as const);
    // What is valid in 2026 would open a connection of that year.
    const before = era === "2026" ? early : early.filter((bytes) => !bytes.includes(VERSION));
    agent = await startLines(config, state, era, before);
    const said = await agent.call();
    usualLine ??= said;
    assert.equal(said, usualLine);
    return agent;
  };
  const tryLine = async (number: number) => {
    const current = agent === undefined || lines % LINES_TOGETHER === 0 ? await change(number) : agent;
    lines += 1;
    const { bytes, kind } = makeLine(task.diceOf(number), number);
    task.count(`lines: ${kind}`);
    task.count("lines answered", await busyFor(current.pid, () => current.send(bytes)));
    if (lines % BATCH === 0) assert.equal(await current.call(), usualLine);
  };
  const tryRequest = async (number: number) => {
    sent += 1;
    const message = makeMessage(task.diceOf(number), caller);
    task.count(`requests: ${message.kind}`);
    if (message.kind === "cut off" && number % 2 === 0) await client.leave(message.bytes);
    else {
      const answers = await busyFor(server.process.pid, () => client.send(message));
      for (const { status, head } of answers) {
        task.count(`answered ${status}`);
        // Work for somebody who went away is interrupted.
        assert.ok(status < 500 || (status === 503 && message.answers === 0), head);
      }
      if (answers.length === 0) task.count("waited for more");
    }
    if (sent % BATCH === 0) assert.deepEqual(await properly(client, caller), usual);
    const fresh = server.log.slice(logged);
    logged = server.log.length;
    assert.deepEqual(
      fresh.filter(({ message, status }) => message === "bug" || status === 500),
      [],
    );
  };
  return {
    try: (number) => (number % 10 < 3 ? tryLine(number) : tryRequest(number)),
    async stop() {
      client.close();
      await agent?.stop();
    },
  };
}

/** Sends proper requests; returns what was answered. Opens a new session besides. */
async function properly(client: WireClient, caller: Caller): Promise<readonly string[]> {
  const [opened] = await client.send({ bytes: openingRequest(caller), answers: 1 });
  caller.session = /^mcp-session-id: (.+)$/im.exec(opened?.head ?? "")?.[1] ?? "";
  assert.ok(caller.session !== "", "a session is opened");
  const answers: WireAnswer[] = [];
  for (const bytes of properRequests(caller)) answers.push(...(await client.send({ bytes, answers: 1 })));
  return answers.map(({ status, body }) => `${status} ${body}`);
}

/** Does something for which a process may not be busy for long; what else it does meanwhile counts as well. */
async function busyFor<T>(pid: number | undefined, work: () => Promise<T>): Promise<T> {
  const before = secondsOf(pid);
  const result = await work();
  const seconds = secondsOf(pid) - before;
  assert.ok(seconds < LONGEST_SECONDS, `it took ${seconds} s of the processor`);
  return result;
}

/** How long a process was busy so far, by the hundredth of a second. */
function secondsOf(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
