import { lstat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { removeTemp } from "../atomic.ts";
import { probeFileOf } from "../caches/probe/database.ts";
import type { Context } from "../context.ts";
import { CacheOpsError, errnoOf } from "../errors.ts";
import { parseDuration } from "../units.ts";
import { seeInPieces } from "./pieces.ts";
import { backupTempName, removeDeadTemps } from "./temp.ts";

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
  await removeDeadTemps((name) => join(directory, name));
  const copy = join(directory, backupTempName());
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

/**
 * Whether our own store holds what a copy with this hash holds: copies of the same rows are the same bytes. One that is
 * damaged does not.
 */
export async function isStoreAsCopied(
  sha256: string,
  context: Pick<Context, "state" | "stateDirectory" | "configuration" | "signal">,
): Promise<boolean> {
  const store = await copyOr(context);
  if (store === undefined) return false;
  const limit = parseDuration(context.configuration.timeLimit);
  try {
    return (await seeInPieces(store.copy, limit, context.signal)).content.sha256 === sha256;
  } finally {
    await store.dispose();
  }
}

async function copyOr(context: Pick<Context, "state" | "stateDirectory">) {
  try {
    return await copyStore(context);
  } catch (error) {
    if (error instanceof CacheOpsError && error.code === "unavailable") return undefined;
    throw error;
  }
}
