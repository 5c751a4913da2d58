import type { Context } from "../../../context.ts";
import { resolveRoots } from "../../../library.ts";
import { inspectRoot } from "../../../passport.ts";
import { parseDuration } from "../../../units.ts";
import type { Witness } from "./absence.ts";

/** The roots of the configured libraries: what an entry's media is missing from counts only when they are in order. */
export async function findWitnesses(context: Context): Promise<Witness[]> {
  if (context.configuration.libraries.length === 0) return [];
  const limit = parseDuration(context.configuration.timeLimit);
  const roots = await resolveRoots([], context);
  return Promise.all(roots.map(async (root) => ({ root, state: await inspectRoot(root, limit) })));
}
