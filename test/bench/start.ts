import { spawn } from "node:child_process";
import { once } from "node:events";
import { execPath } from "node:process";
import { createInterface } from "node:readline";

import type { Contender } from "./rounds.ts";
import { nodeWords, run, type Cost } from "./run.ts";
import { expect, workerOf, type Bench, type Program, type Scene, type Worker } from "./scene.ts";

const HELLO = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "bench", version: "1" } },
};

/** Whole processes, from the start to the end, or to the first answer of a server. */
export function startBench(scene: Scene): Bench {
  scene.tree.reset("clean");
  const { library, truth } = scene.tree;
  const expectEmpty = (answer: Record<string, unknown>) => expect("the plan", answer, { status: "empty", entries: 0 });
  const ours = scene.programs.flatMap((program): Contender[] => {
    const worker = workerOf(program, scene.place);
    const again = workerOf(program, scene.place);
    again.forget();
    const plan = `plan of ${truth.directories} directories`;
    return [
      { name: worker.name("--version"), run: (isMetered) => version(program, scene.place, isMetered) },
      { name: worker.name("mcp, first answer"), prepare: worker.forget, run: () => firstAnswer(program, worker) },
      {
        name: worker.name(plan),
        prepare: worker.forget,
        run: (isMetered) => worker.run(isMetered, ["cleanup", library], expectEmpty),
      },
      {
        name: again.name(`${plan}, again`),
        run: (isMetered) => again.run(isMetered, ["cleanup", library], expectEmpty),
      },
    ];
  });
  const [, , plan = "", again = ""] = ours.map(({ name }) => name);
  return {
    title: "start-up, whole processes",
    contenders: [
      {
        name: "node -e 0",
        run: async (isMetered) => (await run(nodeWords(isMetered, "-e", "0"), { place: scene.place })).cost,
      },
      ...ours,
    ],
    ruler: "node -e 0",
    goals: [
      { of: "--version", to: "node -e 0", atMost: 1.2 },
      { of: "mcp, first answer", to: "node -e 0", atMost: 2.5 },
      { of: plan, to: "node -e 0", atMost: 2.7 },
      { of: again, to: "node -e 0", atMost: 1.3 },
    ],
    missing: [],
  };
}

async function version({ path }: Program, place: string, isMetered: boolean): Promise<Cost> {
  const { cost, output } = await run(nodeWords(isMetered, path, "--version"), { place });
  if (!/^\d+\.\d+\.\d+/.test(output)) throw new Error(`--version printed ${output}`);
  return cost;
}

/** Until the server has answered who it is; what it does after that does not count. */
async function firstAnswer({ path }: Program, { environment }: Worker): Promise<Cost> {
  const begun = performance.now();
  const child = spawn(execPath, [path, "mcp"], { env: environment, stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.write(`${JSON.stringify(HELLO)}\n`);
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const seconds = (performance.now() - begun) / 1000;
  child.stdin.end();
  await once(child, "exit");
  const { result } = JSON.parse(line) as { result?: { serverInfo?: unknown } };
  if (result?.serverInfo === undefined) throw new Error(`the server answered ${line}`);
  return { seconds, cpuSeconds: Number.NaN };
}
