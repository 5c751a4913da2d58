import { commitPaths } from "./commit-paths.ts";
import type { Kind } from "./fault.ts";
import type { Task } from "./row.ts";
import type { FaultWorker } from "./workers.ts";

/** One call to hit on one commit path. */
export interface Point {
  readonly path: string;
  readonly nth: number;
}

/** Every call of every path of these kinds. `baseOf` tells where the bench of a path is. */
export async function pointsOf(
  worker: FaultWorker,
  kinds: readonly Kind[],
  baseOf: (path: string) => string,
): Promise<Point[]> {
  const points: Point[] = [];
  for (const { name } of commitPaths) {
    const answer = await worker.ask({ path: name, base: baseOf(name), fault: { does: "count" }, kinds });
    if (answer?.outcome !== "ok") throw new Error(`${name}: ${JSON.stringify(answer)}`);
    const calls = answer.hit?.calls ?? 0;
    points.push(...Array.from({ length: calls }, (_, index) => ({ path: name, nth: index + 1 })));
  }
  return points;
}

/** The same in an order that is as good as any, and the same for the same seed. */
export function shuffled<T>(items: readonly T[], { diceOf }: Pick<Task, "diceOf">): T[] {
  const dice = diceOf(-1);
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = dice.below(at + 1);
    [mixed[at], mixed[other]] = [mixed[other] as T, mixed[at] as T];
  }
  return mixed;
}
