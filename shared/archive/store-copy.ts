import { lstat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { removeTemp } from "../atomic.ts";
import { probeFileOf } from "../caches/probe/database.ts";
import type { Context } from "../context.ts";
import { CacheOpsError, errnoOf } from "../errors.ts";
import { readSeenFile } from "../file.ts";
import { newId } from "../ids.ts";

/** How long to wait for a writer of the store. */
const BUSY_MS = 60_000;

/**
 * A copy of our own store of probe results as it is at one moment, whatever writes to it; `undefined` when there is
 * none. It lies in the state directory until `dispose`. Throws `unavailable` when the store cannot be read.
 */
export async function copyStore(context: Pick<Context, "state" | "stateDirectory">) {
  const store = probeFileOf(context);
  const directory = dirname(store);
  try {
    await lstat(store);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const copy = join(directory, `.cache-ops-backup-${newId("run")}.tmp`);
  const dispose = async () => removeTemp(copy).then(() => undefined);
  try {
    const database = new DatabaseSync(store, { timeout: BUSY_MS });
    try {
      database.prepare("VACUUM INTO ?").run(copy);
    } finally {
      database.close();
    }
  } catch (error) {
    await dispose();
    if (errnoOf(error) !== "ERR_SQLITE_ERROR") throw error;
    throw new CacheOpsError("unavailable", `${store} cannot be copied: ${String(error)}`, {
      hint: "Back up with kind directory to leave the store out, or move the damaged store away.",
      cause: error,
    });
  }
  return { directory, name: basename(store), copy, dispose };
}

/** Whether our own store holds what a copy with this hash holds: copies of the same rows are the same bytes. */
export async function isStoreAsCopied(sha256: string, context: Pick<Context, "state" | "stateDirectory">) {
  const store = await copyStore(context);
  if (store === undefined) return false;
  try {
    return (await readSeenFile(store.copy)).content.sha256 === sha256;
  } finally {
    await store.dispose();
  }
}
