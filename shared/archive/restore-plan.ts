import { join } from "node:path";

import { readProbeEntry } from "../caches/probe/media-audit/entry.ts";
import type { Context } from "../context.ts";
import { CacheOpsError } from "../errors.ts";
import { contentOf } from "../file.ts";
import { guardLosses, guardRoots, type GuardName } from "../guard.ts";
import { newId } from "../ids.ts";
import { assertConfined } from "../library.ts";
import type { Action, Skipped } from "../plan.ts";
import { keepForPlan, type PlannedBlob } from "../planned-blob.ts";
import { lookAtRoots, rememberRoots, storePlan, type MadePlan } from "../planner.ts";
import { formatBytes, parseDuration } from "../units.ts";
import { draftRestore, lstatIfThere, type Homecoming } from "./draft.ts";
import { placeOfArchive } from "./place.ts";
import { LIMITS, memberName } from "./manifest.ts";
import { readArchive } from "./read.ts";
import { selectFiles, type Selection } from "./select.ts";
import { isStoreAsCopied } from "./store-copy.ts";

/** What to restore from which archive. */
export interface RestoreRequest extends Selection {
  readonly archive: string;
  readonly allow: readonly GuardName[];
}

/** Bytes that are put among the backups in one transaction. */
const BATCH_BYTES = 32 * 1024 * 1024;

/**
 * Plans a restore. The whole archive is verified before anything is looked at; then every file of it is compared with
 * what is there, and only what differs is in the plan. Writes nothing outside the state directory.
 *
 * Throws what {@link readArchive} and {@link selectFiles} throw, and `forbidden` outside the libraries for a caller who
 * is confined to them, and `blocked` for a store of ours that is too large for a plan. A root that is not there, is empty
 * or another place blocks the plan.
 */
export async function planRestore(request: RestoreRequest, context: Context): Promise<MadePlan> {
  const { path } = placeOfArchive(request.archive, context);
  // A pickle that is more than data would run when media-audit reads it: none is ever put there.
  const unsafe = new Set<string>();
  const { manifest } = await readArchive(path, context, (file, bytes) => {
    if (file.path.endsWith(".pkl") && "refused" in readProbeEntry(bytes)) unsafe.add(memberName(file));
  });
  const { roots: chosen, skipped } = await selectFiles(manifest, request, context);
  const targets = [...new Set(chosen.map(({ target }) => target))];
  await assertConfined(targets, context);
  const looked = await lookAtRoots(targets, context);
  const atRoots = guardRoots(looked, request.allow);
  const passports = looked.flatMap(({ state }) => (state.state === "healthy" ? [state.passport] : []));
  const realRoots = new Map(passports.map(({ root, realPath }) => [root, realPath]));
  const homecomings: Homecoming[] = [];
  for (const { root, target, files } of chosen) {
    const realRoot = realRoots.get(target);
    if (realRoot === undefined || atRoots.length > 0) continue;
    for (const file of files) {
      const home: Homecoming = { file, holds: root.holds, root: target, realRoot };
      if (unsafe.has(memberName(file))) skipped.push(skippedPickle(join(target, file.path)));
      else if (root.holds !== "probe-store") homecomings.push(home);
      else if (!(await isStoreAsCopied(file.sha256, context))) {
        await assertFitsPlan(home, path);
        homecomings.push(home);
      }
    }
  }
  if (atRoots.length === 0) rememberRoots(passports, context);
  const draft = await draftRestore(homecomings, {
    timeLimitSeconds: parseDuration(context.configuration.timeLimit),
    allowsInUse: request.allow.includes("in_use"),
    onFile: (done) => {
      context.signal.throwIfAborted();
      context.progress({ message: "comparing with the backup", done, total: homecomings.length });
    },
  });
  const losses = targets.map((root) => ({ root, entries: 0, lost: 0 }));
  const blocked = [...atRoots, ...guardLosses(losses, draft.changes.length, context.configuration, request.allow)];
  const id = newId("plan");
  if (blocked.length === 0) await keepBytes(id, draft.actions, path, context);
  const parts = { id, operation: "restore", passports, blocked, kept: {}, skipped, troubles: [...draft.troubles] };
  return storePlan(draft, parts, context);
}

/** Throws `blocked` for a file of which a plan and its journal cannot hold what it is to become, or what it is now. */
async function assertFitsPlan({ file, root }: Homecoming, archive: string): Promise<void> {
  const path = join(root, file.path);
  const now = await lstatIfThere(path);
  if (Math.max(file.size, now?.size ?? 0) <= LIMITS.fileBytes) return;
  throw new CacheOpsError("blocked", `${path} is larger than a plan takes (${formatBytes(LIMITS.fileBytes)})`, {
    hint: `Restore the rest with exclude ${file.path}. The backup is whole: to put this file back, end every cache-ops, move ${path} and ${path}-wal away, and run: tar -xzOf ${quoted(archive)} ${memberName(file)} > ${quoted(path)}`,
  });
}

/** A path as one word of a POSIX shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function skippedPickle(cache: string): Skipped {
  return { cache, entry: null, name: null, rule: "pickle_is_more_than_data", observed: null };
}

/** Reads the archive again, and puts what the plan is to write among the backups, each as its hash says. */
async function keepBytes(plan: string, actions: readonly Action[], archive: string, context: Context): Promise<void> {
  const wanted = new Set(actions.flatMap((action) => (action.type === "write_file" ? [action.result.sha256] : [])));
  if (wanted.size === 0) return;
  const state = context.state();
  const now = context.now();
  const until = now + parseDuration(context.configuration.planExpiry) * 1000;
  let batch: PlannedBlob[] = [];
  let size = 0;
  const flush = () => {
    keepForPlan(state, plan, batch, { now, until });
    [batch, size] = [[], 0];
  };
  await readArchive(archive, context, ({ sha256 }, bytes) => {
    if (!wanted.delete(sha256)) return;
    batch.push({ content: contentOf(bytes), bytes });
    size += bytes.length;
    if (size >= BATCH_BYTES) flush();
  });
  flush();
}
