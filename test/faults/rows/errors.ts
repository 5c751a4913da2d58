import { makeDirectory, makePlace } from "../../support/place.ts";
import { pointsOf, shuffled } from "../cases.ts";
import { commitPaths } from "../commit-paths.ts";
import { eachCase, LANES, type Row } from "../row.ts";
import { startWorker, type FaultWorker } from "../workers.ts";

const ERRORS = ["EIO", "ENOSPC", "EDQUOT", "EROFS", "EMFILE", "EINTR", "ESTALE", "EACCES"] as const;

export const errors: Row = {
  name: "errors",
  what: `${ERRORS.join(", ")} of any file call, reading or writing, of ${commitPaths.map(({ name }) => name).join(", ")}`,
  required:
    "every file is the old or the new one; what is said to be done is done; what failed has a code for it; one in three is taken back, whole",
  count: 28_100,
  quick: 12,
  async run(task) {
    const bases = Array.from({ length: LANES }, () => makePlace("errors"));
    const workers = await Promise.all(bases.map(() => startWorker()));
    const renew = async (lane: number) => {
      workers[lane]?.stop();
      workers[lane] = await startWorker();
    };
    const baseOf = (lane: number, path: string) => makeDirectory(bases[lane] ?? "", path);
    try {
      const [first] = workers as [FaultWorker];
      const points = await pointsOf(first, ["reads", "writes"], (path) => baseOf(0, path));
      const cases = shuffled(
        ERRORS.flatMap((errno) => points.map((point) => ({ errno, ...point }))),
        task,
      );
      const goThrough = async (number: number, lane: number) => {
        const { errno, path, nth } = cases[number % cases.length] as (typeof cases)[number];
        try {
          const answer = await workers[lane]?.ask({
            path,
            base: baseOf(lane, path),
            fault: { does: "fail", nth, errno },
            kinds: ["reads", "writes"],
            thenUndo: number % 3 === 0,
          });
          if (answer?.error !== undefined || answer === undefined) throw new Error(answer?.error ?? "the process died");
          task.count(answer.hit?.hits === 0 ? "ended before the call" : "failed calls");
          if (answer.hit?.hits !== 0) task.count(`ended ${answer.outcome}`);
        } catch (error) {
          await renew(lane);
          throw new Error(`${errno} ${path} ${nth}: ${String(error)}`, { cause: error });
        }
      };
      await eachCase(task, goThrough, LANES);
    } finally {
      for (const worker of workers) worker.stop();
    }
  },
};
