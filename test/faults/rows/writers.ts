import { crowd, crowdWithMediabox } from "../crowd.ts";
import type { Row, Task } from "../row.ts";

/** Rounds of each of six processes that are begun together, and what mediabox stores meanwhile in another cache. */
const ROUNDS = 20;
const STORES = 100;
/** What one of them counts: each round records two entries and removes one, six times. */
const CHANGES = ROUNDS * 6 * 3;
const CASES = CHANGES + STORES;

export const writers: Row = {
  name: "writers",
  what: "changes of one cache by six processes of ours at once, with locks; and entries that mediabox stores, which knows of no lock, while five processes of ours change the same cache; both under the eyes of a reader that never pauses",
  required:
    "no reader sees a torn file; no entry that we recorded is lost, none that we removed returns; of what mediabox writes at most as much as one in a hundred of our changes is overwritten unseen (between the last comparison and the rename nothing can be noticed), and no cleanup leaves behind what is stale",
  count: 10 * CASES,
  // They run with all other tests.
  quick: 0,
  async run(task) {
    for (let from = task.from; from < task.to && !task.isOver(); from += CASES) {
      await attempt(task, "ours", CHANGES, async () => {
        const { lost, returned, seen, recorded, removed } = await crowd(ROUNDS);
        count(task, { recorded, removed, lost: lost.length, "removed and back": returned.length, reads: seen.reads });
        if (lost.length + returned.length + seen.torn.length + seen.absent > 0) {
          throw new Error(JSON.stringify({ lost, returned, seen }));
        }
      });
      await attempt(task, "with mediabox", STORES, async () => {
        const { published, overwritten, lostOurs, left, seen } = await crowdWithMediabox(STORES);
        count(task, {
          "stored by mediabox": STORES,
          "changed by us beside it": published,
          "overwritten by us unseen": overwritten,
          "overwritten by mediabox": lostOurs,
          reads: seen.reads,
        });
        if (left || seen.torn.length > 0 || overwritten > Math.ceil(published / 100)) {
          throw new Error(JSON.stringify({ published, overwritten, left, torn: seen.torn }));
        }
      });
    }
  },
};

async function attempt(task: Task, label: string, cases: number, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    task.passed(cases);
  } catch (error) {
    task.failed(label, error);
    task.passed(cases - 1);
  }
}

function count(task: Task, figures: Readonly<Record<string, number>>): void {
  for (const [figure, by] of Object.entries(figures)) task.count(figure, by);
}
