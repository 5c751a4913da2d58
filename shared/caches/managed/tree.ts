import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import type { Content } from "../../file.ts";
import { parseDuration } from "../../units.ts";
import { isKnown, measureTree, type Measurement } from "./measure.ts";

/** A tree as plans are bound to it. */
export interface SeenTree {
  /** Its digest, and the bytes that come free when it goes: not those that have names elsewhere, too. */
  readonly content: Content;
  readonly measurement: Measurement;
}

/**
 * Looks at a whole tree; `undefined` when there is none.
 *
 * Throws `unavailable` when a part of it cannot be seen or lies on another device: such a tree is never taken away.
 */
export async function seeTree(path: string, { signal, configuration }: Context): Promise<SeenTree | undefined> {
  const timeLimitSeconds = parseDuration(configuration.timeLimit);
  let measurement: Measurement;
  try {
    measurement = await measureTree(path, { signal, timeLimitSeconds });
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
  if (!isKnown(measurement)) {
    const [first] = measurement.unreadable;
    const why =
      first === undefined ? "holds another file system" : `cannot be seen whole: ${first.path} (${first.code})`;
    throw new CacheOpsError("unavailable", `${path} ${why}`, {
      hint: "It is left alone. Check rights, mounts and storage.",
    });
  }
  const { digest, bytes, sharedBytes } = measurement;
  return { content: { sha256: digest, size: bytes - sharedBytes }, measurement };
}
