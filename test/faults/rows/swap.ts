import type { Row, Task } from "../row.ts";
import { workWhileSwapped } from "../swapping.ts";

export const swap: Row = {
  name: "swap",
  what: "a file replaced and another removed in a directory that an attacker exchanges for a link to the outside without pause (`renameat2(RENAME_EXCHANGE)`)",
  required: "each attempt works inside or is refused; nothing outside is touched",
  count: 100_000,
  quick: 500,
  async run(task) {
    try {
      const { flips, inside, refused } = await workWhileSwapped(numbersOf(task));
      task.count("swaps", flips);
      task.count("worked inside", inside);
      task.count("refused", refused);
      task.passed(inside + refused);
    } catch (error) {
      task.failed("swap", error);
    }
  },
};

function* numbersOf(task: Task): Generator<number> {
  for (let number = task.from; number < task.to && !task.isOver(); number += 1) yield number;
}
