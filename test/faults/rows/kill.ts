import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

import { makeDirectory } from "../../support/place.ts";
import { pointsOf, shuffled } from "../cases.ts";
import { commitPaths } from "../commit-paths.ts";
import { eachCase, LANES, type Row } from "../row.ts";
import { startWorker } from "../workers.ts";

/** In which state the file system is that a process is killed on. */
const STATES = {
  "in memory": "/dev/shm",
  "on a disk": "/var/tmp",
  "during the recovery from another kill": "/dev/shm",
} as const;
type FileSystemState = keyof typeof STATES;

export const kill: Row = {
  name: "kill",
  what: `kill -9 at write-side system calls of ${commitPaths.map(({ name }) => name).join(", ")}; in memory (tmpfs), on a disk, and during the recovery from another kill`,
  required:
    "every file is the old or the new one; the next run completes it or takes it back, whole; nothing of ours stays; the stores are in order",
  count: 2_100,
  quick: 4,
  async run(task) {
    const lanes = await Promise.all(Array.from({ length: LANES }, openLane));
    try {
      const [first] = lanes as [Lane];
      const points = await pointsOf(first.worker(), ["writes"], (path) => first.baseOf("in memory", path));
      const states = Object.keys(STATES) as FileSystemState[];
      const cases = shuffled(
        states.flatMap((state) => points.map((point) => ({ state, ...point }))),
        task,
      );
      const goThrough = async (number: number, at: number) => {
        const { baseOf, worker, renew } = lanes[at] as Lane;
        const { state, path, nth } = cases[number % cases.length] as (typeof cases)[number];
        const dice = task.diceOf(number);
        const label = `${path} ${nth} ${state}`;
        const request = { path, base: baseOf(state, path) } as const;
        if ((await worker().ask({ ...request, fault: { does: "kill", nth } })) === undefined) {
          task.count("kills");
          task.count(state);
        } else task.count("ended before the call");
        await renew();
        if (state === "during the recovery from another kill") {
          const again = { does: "kill", nth: 1 + dice.below(nth + 10) } as const;
          if ((await worker().ask({ ...request, goesOn: true, fault: again })) === undefined) task.count("kills");
          await renew();
        }
        const answer = await worker().ask({ ...request, recover: dice.chance(0.5) ? "undo" : "again" });
        if (answer?.error !== undefined) throw new Error(`${label}: ${answer.error}`);
        task.count("recovered");
      };
      await eachCase(task, goThrough, LANES);
    } finally {
      await Promise.all(lanes.map(async ({ close }) => close()));
    }
  },
};

type Lane = Awaited<ReturnType<typeof openLane>>;

/** A worker with places of its own, and the one that is going to take its place. */
async function openLane() {
  const parents = [...new Set(Object.values(STATES))];
  const bases = new Map(parents.map((parent) => [parent, mkdtempSync(join(parent, "cache-ops-faults-kill-"))]));
  let worker = await startWorker();
  let next = startWorker();
  return {
    baseOf: (state: FileSystemState, path: string) => makeDirectory(bases.get(STATES[state]) ?? "", path),
    worker: () => worker,
    renew: async () => {
      worker.stop();
      worker = await next;
      next = startWorker();
    },
    close: async () => {
      worker.stop();
      (await next).stop();
      for (const base of bases.values()) rmSync(base, { recursive: true, force: true });
    },
  };
}
