import { makeDirectory } from "../../support/place.ts";
import { pointsOf } from "../cases.ts";
import { commitPaths } from "../commit-paths.ts";
import { mountTmpfs, unmountAll } from "../mounts.ts";
import { eachCase, type Row } from "../row.ts";
import { startWorker } from "../workers.ts";

/** What a short write still writes. */
const LENGTHS = [1, 7, 100, 511, 4095] as const;

export const short: Row = {
  name: "short",
  what: "short writes (one, or all from one on, of 1 to 4,095 bytes) and disks (tmpfs) with 0 to 80 pages left, on every commit path",
  required: "nothing truncated is published: every file is the old or the new one; what is said to be done is done",
  count: 1_760,
  quick: 12,
  async run(task) {
    const base = mountTmpfs("64m");
    let worker = await startWorker();
    const baseOf = (path: string) => makeDirectory(base, path);
    try {
      const points = await pointsOf(worker, ["writes"], baseOf);
      await eachCase(task, async (number) => {
        const { name: path } = commitPaths[number % commitPaths.length] as (typeof commitPaths)[number];
        const round = Math.floor(number / commitPaths.length);
        const dice = task.diceOf(number);
        const calls = points.filter((point) => point.path === path).length;
        const shorten = {
          does: "shorten",
          nth: 1 + dice.below(calls),
          bytes: dice.pick(LENGTHS),
          lasts: dice.chance(0.5),
        } as const;
        const isFull = round % 2 === 0;
        const bytesLeft = (round / 2) * 4096;
        try {
          const answer = await worker.ask({
            path,
            base: baseOf(path),
            thenUndo: true,
            ...(isFull ? { bytesLeft, fault: { does: "count" } } : { fault: shorten }),
          });
          if (answer?.error !== undefined || answer === undefined) throw new Error(answer?.error ?? "the process died");
          task.count(isFull ? "full disks" : answer.hit?.hits === 0 ? "no write was hit" : "with short writes");
          task.count(`ended ${answer.outcome}`);
        } catch (error) {
          worker.stop();
          worker = await startWorker();
          const what = isFull ? `${bytesLeft} bytes left` : JSON.stringify(shorten);
          throw new Error(`${path}, ${what}: ${String(error)}`, { cause: error });
        }
      });
    } finally {
      worker.stop();
      unmountAll();
    }
  },
};
