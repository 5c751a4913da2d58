import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as host from "node:process";

import { isInside } from "../anchor.ts";
import type { Draft } from "../draft.ts";
import { CacheOpsError, errnoOf } from "../errors.ts";
import { readIfThere, type Attributes, type SeenFile } from "../file.ts";
import type { Reason, Trouble } from "../finding.ts";
import type { Change } from "../change.ts";
import type { Action, Plan, PlannedCache, Skipped } from "../plan.ts";
import { withTimeLimit } from "../time-limit.ts";
import type { ArchivedFile, Holding } from "./manifest.ts";

/** A file of a backup and the root it goes to. */
export interface Homecoming {
  readonly file: ArchivedFile;
  readonly holds: Holding;
  /** Absolute path of the root. */
  readonly root: string;
  readonly realRoot: string;
}

/** A draft, and what could not be looked at. */
export interface RestoreDraft extends Draft {
  readonly troubles: readonly Trouble[];
}

/**
 * Compares what a backup holds with what is there, and drafts the restore of what differs: bytes, mode, owner or time.
 * Files that are as they were need nothing, directories that are gone are not made. Reads only.
 */
export async function draftRestore(
  files: readonly Homecoming[],
  limits: { readonly timeLimitSeconds: number; readonly allowsInUse: boolean; readonly onFile: (done: number) => void },
): Promise<RestoreDraft> {
  const changes: Change[] = [];
  const actions: Action[] = [];
  const caches: PlannedCache[] = [];
  const skipped: Skipped[] = [];
  const troubles: Trouble[] = [];
  const taken = new Set<string>();
  let bytes = 0;
  for (const [index, home] of files.entries()) {
    limits.onFile(index);
    const cache = join(home.root, home.file.path);
    const skip = (rule: string, observed: string | null = null) =>
      skipped.push({ cache, entry: null, name: null, rule, observed });
    try {
      const target = await withTimeLimit(() => targetOf(home, cache), limits.timeLimitSeconds, cache);
      if ("rule" in target) {
        skip(target.rule, target.observed);
        continue;
      }
      const { file } = target;
      if (taken.has(file)) {
        skip("cache_shared_by_links", file);
        continue;
      }
      taken.add(file);
      const now = await withTimeLimit(() => readIfThere(file), limits.timeLimitSeconds, cache);
      const attributes = attributesFor(home, now);
      const reason = reasonFor(home.file, now, attributes);
      if (reason === undefined) continue;
      const id = changes.length + 1;
      const evidence = evidenceFor(home, file, limits.allowsInUse);
      const kind = home.holds === "directory" ? "directory" : "probe";
      changes.push({ id, does: "restore", kind, cache, entry: null, name: null, problem: "changed", reason, evidence });
      actions.push(actionFor(home.file, { id, file, now, attributes, evidence }));
      caches.push({ cache, file, seen: now?.content ?? null });
      bytes += (now?.content.size ?? 0) - home.file.size;
    } catch (error) {
      const code = error instanceof CacheOpsError ? error.code : errnoOf(error);
      if (code === undefined) throw error;
      troubles.push({ path: cache, code, message: `cannot be looked at, and is left as it is (${code})` });
    }
  }
  return { changes, actions, caches, skipped, troubles, bytes };
}

/** The draft of only some changes of a restore: each has an action of its own. */
export function narrowDraft(plan: Plan, only: readonly number[]): Draft {
  const numbers = new Map(only.toSorted((a, b) => a - b).map((id, index) => [id, index + 1]));
  const renumber = (id: number | undefined) => numbers.get(id ?? 0);
  const changes = plan.changes.flatMap((change) => {
    const id = renumber(change.id);
    return id === undefined ? [] : [{ ...change, id }];
  });
  const actions = plan.actions.flatMap((action) => {
    const id = renumber(action.changes[0]);
    return id === undefined ? [] : [{ ...action, seq: id, changes: [id] }];
  });
  const files = new Set(actions.map(({ file }) => file));
  return {
    changes,
    actions,
    caches: plan.caches.filter(({ file }) => files.has(file)),
    skipped: [],
    bytes: actions.reduce(
      (sum, action) => (action.type === "write_file" ? sum + (action.seen?.size ?? 0) - action.result.size : sum),
      0,
    ),
  };
}

type Target = { readonly file: string } | { readonly rule: string; readonly observed: string | null };

/** Where a file goes: its real path, or why it cannot go there. */
async function targetOf({ realRoot }: Homecoming, cache: string): Promise<Target> {
  let directory: string;
  try {
    directory = await realpath(dirname(cache));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "ENOENT" && errno !== "ENOTDIR") throw error;
    return { rule: "directory_gone", observed: dirname(cache) };
  }
  if (!isInside(realRoot, directory)) return { rule: "leads_outside_the_library", observed: directory };
  const file = join(directory, basename(cache));
  const stats = await lstatIfThere(file);
  if (stats === undefined || stats.isFile()) return { file };
  if (!stats.isSymbolicLink()) return { rule: "not_a_cache_file", observed: file };
  const real = await realIfThere(file);
  if (real === undefined) return { rule: "link_leads_nowhere", observed: file };
  return isInside(realRoot, real) ? { file: real } : { rule: "leads_outside_the_library", observed: real };
}

/**
 * Mode, owner and time as in the backup. Only root can give a file to somebody else: for others the owner stays. Our
 * own store was copied through the database, so it keeps the mode and owner it has.
 */
function attributesFor({ file, holds }: Homecoming, now: SeenFile | undefined): Partial<Attributes> {
  if (holds === "probe-store") return now === undefined ? { mode: 0o600 } : {};
  const { mode, uid, gid, mtimeNs } = file;
  const mayGive = host.getuid?.() === 0;
  return { mode, mtimeNs, atimeNs: mtimeNs, ...(mayGive ? { uid, gid } : {}) };
}

function reasonFor(file: ArchivedFile, now: SeenFile | undefined, wanted: Partial<Attributes>): Reason | undefined {
  if (now === undefined) return { rule: "missing_since_backup", observed: null };
  if (now.content.sha256 !== file.sha256) {
    return { rule: "differs_from_backup", observed: `${now.content.size} bytes, ${file.size} in the backup` };
  }
  const keys = (["mode", "uid", "gid", "mtimeNs"] as const).filter(
    (key) => wanted[key] !== undefined && wanted[key] !== now.attributes[key],
  );
  const names = { mode: "mode", uid: "owner", gid: "group", mtimeNs: "time" };
  if (keys.length === 0) return undefined;
  return { rule: "attributes_differ", observed: keys.map((key) => names[key]).join(", ") };
}

function evidenceFor({ holds }: Homecoming, file: string, allowsInUse: boolean): Change["evidence"] {
  // While a log lies beside the store somebody has it open, and its bytes are not all in the file.
  if (holds === "probe-store") return [{ path: `${file}-wal`, expect: "gone" }];
  return holds === "directory" && !allowsInUse ? [{ path: dirname(file), expect: "idle" }] : [];
}

function actionFor(
  { sha256, size }: ArchivedFile,
  parts: Pick<Change, "id" | "evidence"> & {
    readonly file: string;
    readonly now: SeenFile | undefined;
    readonly attributes: Partial<Attributes>;
  },
): Action {
  const { id, file, now, attributes, evidence } = parts;
  return {
    type: "write_file",
    seq: id,
    file,
    lock: file,
    changes: [id],
    after: [],
    evidence,
    seen: now?.content ?? null,
    source: { blob: sha256 },
    result: { sha256, size },
    attributes,
  };
}

/** The status of a file, not through a link; `undefined` when there is none. */
export async function lstatIfThere(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function realIfThere(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
