import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import type { ChangeDraft, Draft } from "../../../draft.ts";
import { CacheOpsError, errnoOf } from "../../../errors.ts";
import { readIfThere, type SeenFile } from "../../../file.ts";
import type { Change } from "../../../change.ts";
import type { Action, PlannedCache, Skipped } from "../../../plan.ts";
import type { Found } from "../../../scan.ts";
import { LOCK_SUFFIX } from "../../../naming.ts";

/** What is done about a file of media-audit's cache: it goes as a whole. Its files are never rewritten. */
export function removalOf({ finding, evidence, path }: Found): ChangeDraft {
  const does = finding.reason.rule === "our_lock" ? "unlock" : "discard";
  return { ...finding, evidence: [...evidence], does, path: path ?? finding.cache };
}

/** A repair discards what the program cannot read any more; what is refused or in doubt stays. */
export function repairMediaAudit(found: Found): ChangeDraft | { readonly rule: string } {
  return found.finding.problem === "corrupt" ? removalOf(found) : { rule: "cannot_be_repaired" };
}

/**
 * Turns changes of media-audit's cache into actions. Reads the files, writes nothing.
 *
 * `seen` says what the files held when they were judged; one that differs by now is left alone and said so.
 */
export async function draftMediaAudit(changes: readonly Change[], seen: readonly PlannedCache[]): Promise<Draft> {
  const known = new Map(seen.map((cache) => [cache.cache, cache]));
  const done: Change[] = [];
  const actions: Action[] = [];
  const caches: PlannedCache[] = [];
  const skipped: Skipped[] = [];
  let bytes = 0;
  for (const change of changes) {
    const path = change.path ?? change.cache;
    const file = known.get(path)?.file ?? join(await realpath(dirname(path)), basename(path));
    const common = { seq: actions.length + 1, changes: [change.id], after: [], evidence: change.evidence };
    if (change.does === "unlock") {
      actions.push({ type: "release_lock", file, lock: file.slice(0, -LOCK_SUFFIX.length), ...common });
      done.push(change);
      continue;
    }
    const now = await readForDraft(file);
    const expected = known.get(path)?.seen;
    if (now === undefined || (expected != null && expected.sha256 !== now.content.sha256)) {
      const { cache, entry, name } = change;
      skipped.push({ cache, entry, name, rule: "changed_while_planning", observed: path });
      continue;
    }
    actions.push({ type: "remove_file", file, lock: file, seen: now.content, ...common });
    caches.push({ cache: path, file, seen: now.content });
    bytes += now.content.size;
    done.push(change);
  }
  return { changes: done, actions, caches, skipped, bytes };
}

async function readForDraft(file: string): Promise<SeenFile | undefined> {
  try {
    return await readIfThere(file);
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof CacheOpsError)) throw error;
    return undefined;
  }
}
