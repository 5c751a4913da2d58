import type { Run } from "./journal.ts";
import { lifeOf, thisOwner } from "./owner.ts";

/** Runs that this process began and could not write down to their end. */
const givenUp = new Set<string>();

/** Does the work of a run, which is given up when that throws. */
export async function carrying<T>({ id }: Pick<Run, "id">, work: () => Promise<T>): Promise<T> {
  givenUp.delete(id);
  try {
    return await work();
  } catch (error) {
    givenUp.add(id);
    throw error;
  }
}

/**
 * Whether whoever carries out a run still does; `unknown` for processes of another host or namespace. One that this
 * process had to give up is `dead` as if the process was.
 */
export function lifeOfRun({ id, owner }: Pick<Run, "id" | "owner">): "alive" | "dead" | "unknown" {
  const self = thisOwner();
  const life = lifeOf(owner, self);
  return life === "alive" && owner.pid === self.pid && givenUp.has(id) ? "dead" : life;
}
