import type { Run } from "./journal.ts";
import { lifeOf, thisOwner } from "./owner.ts";

/** The runs that this process is carrying out. */
const atWork = new Set<string>();

/** Does the work of a run, which counts as being carried out until it ends, however it does. */
export async function carrying<T>({ id }: Pick<Run, "id">, work: () => Promise<T>): Promise<T> {
  atWork.add(id);
  try {
    return await work();
  } finally {
    atWork.delete(id);
  }
}

/**
 * Whether whoever carries out a run still does; `unknown` for processes of another host or namespace. One that this
 * process had to give up, because it could not be written down, is `dead` as if the process was.
 */
export function lifeOfRun({ id, owner }: Pick<Run, "id" | "owner">): "alive" | "dead" | "unknown" {
  const self = thisOwner();
  const isOurs = owner.pid === self.pid && lifeOf(owner, self) === "alive";
  if (isOurs) return atWork.has(id) ? "alive" : "dead";
  return lifeOf(owner, self);
}
