import { createHash } from "node:crypto";
import { dirname, join } from "node:path";

import type { ChangeDraft, Draft } from "../../draft.ts";
import type { Change, ChangedPack, Deed } from "../../change.ts";
import type { Action } from "../../plan.ts";
import type { Found } from "../../scan.ts";

/** What is done about a directory that is to go: to the quarantine, out of it, away at once; perhaps packed before. */
export function evictionOf({ finding, evidence, path, place, isForGood, tracked, pack }: Found): ChangeDraft {
  if (path === undefined || place === undefined || tracked === undefined) {
    throw new Error("a finding of a managed cache says where its directory lies and goes");
  }
  const does = path === place ? "purge" : (packingOf(pack) ?? (isForGood === true ? "delete" : "evict"));
  return {
    ...finding,
    evidence: [...evidence],
    does,
    path,
    to: place,
    tracked,
    ...(pack === undefined ? {} : { pack }),
  };
}

function packingOf(pack: ChangedPack | undefined): Deed | undefined {
  if (pack === undefined) return undefined;
  if (pack.content !== null) return "purge";
  return "file" in pack.target ? "compress" : "archive";
}

/** Turns changes of managed caches into actions. Everything they need was seen by the scan; nothing is read again. */
export async function draftManaged(changes: readonly Change[]): Promise<Draft> {
  const actions: Action[] = [];
  for (const change of changes) actions.push(...actionsFor(change, actions.length + 1));
  return { changes, actions, caches: [], skipped: [], bytes: actions.reduce((sum, action) => sum + gainOf(action), 0) };
}

function actionsFor(change: Change, seq: number): Action[] {
  const { id, does, path, to, tracked, pack, evidence } = change;
  if (path === undefined || to === undefined || tracked === undefined) throw incomplete(change);
  const common = { file: path, lock: join(dirname(to), digestOf(path)), changes: [id], evidence, tracked };
  if (pack?.content != null) {
    const { target, content: seen, tree: holds } = pack;
    const own = { ...common, seq, after: [], target, seen };
    return [does === "warm" ? { ...own, type: "unpack_directory", holds, stage: to } : { ...own, type: "remove_pack" }];
  }
  const tree = evidence.find((each) => each.expect === "tree");
  if (tree === undefined) throw incomplete(change);
  const seen = { sha256: tree.sha256, size: tree.bytes };
  const stays = pack === undefined ? does === "evict" : !pack.isOnlyCopy;
  const type = stays ? "quarantine_directory" : "remove_directory";
  if (pack === undefined) return [{ type, ...common, seq, after: [], seen, place: to }];
  return [
    { type: "pack_directory", ...common, seq, after: [], seen, target: pack.target },
    { type, ...common, seq: seq + 1, after: [seq], seen, place: to },
  ];
}

/** Bytes an action frees as far as that is known before: how small a pack will be is not. */
function gainOf(action: Action): number {
  if (action.type === "remove_directory") return action.seen.size;
  if (action.type === "unpack_directory") return -action.holds.bytes;
  return action.type === "remove_pack" && "file" in action.target ? action.seen.size : 0;
}

function incomplete({ id }: Change): Error {
  return new Error(`change ${id} does not say which directory it is about`);
}

/** A short name for the lock of a directory, whatever it is called. */
function digestOf(path: string): string {
  return createHash("sha256").update(path).digest("hex").slice(0, 16);
}
