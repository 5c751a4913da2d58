import { makeDirectory, makePlace } from "../../support/place.ts";
import { pointsOf, shuffled } from "../cases.ts";
import { commitPaths } from "../commit-paths.ts";
import { eachCase, type Row } from "../row.ts";
import { startWorker } from "../workers.ts";

const ERRORS = ["EIO", "ENOSPC", "EDQUOT", "EROFS", "EMFILE", "EINTR", "ESTALE", "EACCES"] as const;

export const errors: Row = {
  name: "errors",
  what: `${ERRORS.join(", ")} of any file call, reading or writing, of ${commitPaths.map(({ name }) => name).join(", ")}`,
  required:
    "every file is the old or the new one; what is said to be done is done; what failed has a code for it; one in three is taken back, whole",
  count: 33_600,
  quick: 12,
  async run(task) {
    const base = makePlace("errors");
    let worker = await startWorker();
    try {
      const points = await pointsOf(worker, ["reads", "writes"], (path) => makeDirectory(base, path));
      const cases = shuffled(
        ERRORS.flatMap((errno) => points.map((point) => ({ errno, ...point }))),
        task,
      );
      await eachCase(task, async (number) => {
        const { errno, path, nth } = cases[number % cases.length] as (typeof cases)[number];
        try {
          const answer = await worker.ask({
            path,
            base: makeDirectory(base, path),
            fault: { does: "fail", nth, errno },
            kinds: ["reads", "writes"],
            thenUndo: number % 3 === 0,
          });
          if (answer?.error !== undefined || answer === undefined) throw new Error(answer?.error ?? "the process died");
          if (answer.isHolding === true) {
            task.count("could be taken back only after the process had ended");
            worker.stop();
            worker = await startWorker();
            const taken = await worker.ask({ path, base: makeDirectory(base, path), recover: "undo" });
            if (taken?.error !== undefined) throw new Error(taken.error);
          }
          task.count(answer.hit?.hits === 0 ? "ended before the call" : "failed calls");
          if (answer.hit?.hits !== 0) task.count(`ended ${answer.outcome}`);
        } catch (error) {
          worker.stop();
          worker = await startWorker();
          throw new Error(`${errno} ${path} ${nth}: ${String(error)}`, { cause: error });
        }
      });
    } finally {
      worker.stop();
    }
  },
};
