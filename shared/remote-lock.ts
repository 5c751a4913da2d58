import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { Context } from "./context.ts";
import { withLock, type HeldLock } from "./lock.ts";

/** How long to wait for another process of ours that is at the same thing. */
const LOCK_WAIT_SECONDS = 25;

/**
 * Runs `work` while no other process with this state directory is at the same thing in a container or on a server, where
 * no lock of ours can lie. `key` says what that is, `subject` names it in messages. Throws `locked`.
 */
export async function withRemoteLock<T>(
  key: string,
  subject: string,
  context: Pick<Context, "state" | "signal">,
  work: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const { directory } = context.state();
  const locks = join(directory, "locks");
  mkdirSync(locks, { recursive: true, mode: 0o700 });
  const path = join(locks, createHash("sha256").update(key).digest("hex").slice(0, 32));
  const options = { guardDirectory: directory, signal: context.signal, waitSeconds: LOCK_WAIT_SECONDS };
  return withLock(path, subject, options, work);
}
