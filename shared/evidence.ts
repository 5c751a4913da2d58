import { Type, type Static } from "typebox";

import { inUseIn } from "./caches/directory/leftovers.ts";
import { presenceOf } from "./presence.ts";

/** Something that must still hold when an action is carried out. */
export const Evidence = Type.Union([
  Type.Object(
    { path: Type.String(), expect: Type.Literal("gone") },
    { additionalProperties: false, description: "There is nothing at this path." },
  ),
  Type.Object(
    { path: Type.String(), expect: Type.Literal("same"), size: Type.String(), mtimeNs: Type.String() },
    { additionalProperties: false, description: "The media there has this size (bytes) and time (ns), in digits." },
  ),
  Type.Object(
    { path: Type.String(), expect: Type.Literal("idle") },
    { additionalProperties: false, description: "No other program works in this directory." },
  ),
]);
export type Evidence = Static<typeof Evidence>;

/** Why evidence no longer holds, or `undefined` when it does. An answer of "unknown" counts as not holding. */
export async function refute(evidence: Evidence, timeLimitSeconds: number, now: number): Promise<string | undefined> {
  if (evidence.expect === "idle") {
    const user = await inUseIn(evidence.path, now);
    return user === undefined ? undefined : `${evidence.path} is in use: ${user}`;
  }
  const presence = await presenceOf(evidence.path, timeLimitSeconds);
  if (presence.state === "unknown") return `${evidence.path} cannot be looked at (${presence.errno})`;
  if (evidence.expect === "gone") return presence.state === "gone" ? undefined : `${evidence.path} is there again`;
  if (presence.state === "gone") return `${evidence.path} is gone`;
  const { size, mtimeNs } = presence.stats;
  if (String(size) === evidence.size && String(mtimeNs) === evidence.mtimeNs) return undefined;
  return `${evidence.path} changed`;
}
