import { Type, type Static } from "typebox";

import { inUseIn } from "./caches/directory/leftovers.ts";
import { usersOf } from "./caches/managed/in-use.ts";
import { seeOpenFiles } from "./caches/managed/open-files.ts";
import type { Context } from "./context.ts";
import type { FileCalls } from "./file-calls.ts";
import { parseDuration } from "./units.ts";

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
  Type.Object(
    {
      path: Type.String(),
      expect: Type.Literal("tree"),
      sha256: Type.String({ description: "Digest over names, types, sizes and times." }),
      bytes: Type.Integer({ minimum: 0, description: "Bytes of its files." }),
    },
    { additionalProperties: false, description: "This tree lies there." },
  ),
  Type.Object(
    { path: Type.String(), expect: Type.Literal("unused"), settleSeconds: Type.Number({ minimum: 0 }) },
    {
      additionalProperties: false,
      description: "No program has it open, and it was not written to for a while.",
    },
  ),
]);
export type Evidence = Static<typeof Evidence>;

/** Why evidence no longer holds, or `undefined` when it does. An answer of "unknown" counts as not holding. */
export async function refute(evidence: Evidence, context: Context, calls: FileCalls): Promise<string | undefined> {
  const now = context.now();
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  // The step that takes a tree away reads all of it anyway, and compares it then.
  if (evidence.expect === "tree") return undefined;
  if (evidence.expect === "unused") {
    const { path, settleSeconds } = evidence;
    const openFiles = await seeOpenFiles([path], context.signal);
    const { signal } = context;
    // Whether it was written to since the plan, its digest says.
    const [use] = await usersOf(
      path,
      { newestMtimeMs: -Infinity },
      { openFiles, settleSeconds, now, signal, timeLimitSeconds },
    );
    return use && `${path} is in use: ${use.by}`;
  }
  if (evidence.expect === "idle") {
    const user = await inUseIn(evidence.path, now, timeLimitSeconds, calls);
    return user === undefined ? undefined : `${evidence.path} is in use: ${user}`;
  }
  const presence = await calls.presence(evidence.path, timeLimitSeconds);
  if (presence.state === "unknown") return `${evidence.path} cannot be looked at (${presence.errno})`;
  if (evidence.expect === "gone") return presence.state === "gone" ? undefined : `${evidence.path} is there again`;
  if (presence.state === "gone") return `${evidence.path} is gone`;
  const { size, mtimeNs } = presence.stats;
  if (String(size) === evidence.size && String(mtimeNs) === evidence.mtimeNs) return undefined;
  return `${evidence.path} changed`;
}
