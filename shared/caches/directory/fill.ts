import type { Draft } from "../../draft.ts";
import type { Evidence } from "../../evidence.ts";
import { contentOf } from "../../file.ts";
import type { Change } from "../../change.ts";
import type { Action, PlannedCache } from "../../plan.ts";
import { applySplices } from "../../splice.ts";
import { spliceObject } from "./edit.ts";
import { freshFields } from "./fresh-entry.ts";
import { openCache, setFields } from "./open-cache.ts";
import { entryText } from "./python-json.ts";
import type { UnprobedFile } from "./unprobed.ts";

/** A media file that was probed, still as it was found. */
export interface ProbedFile extends UnprobedFile {
  /** What was found out, as its 17 fields of an entry, each with its JSON. */
  readonly probed: readonly (readonly [string, string])[];
}

/** The part of a plan that concerns one directory; its numbers begin with 1. */
export type DirectoryDraft = Pick<Draft, "changes" | "actions" | "caches" | "bytes">;

/**
 * Drafts what the cache of one directory gets for files that were probed: new entries at its end, as mediabox would
 * write them, and fresh fields in entries that are there already. Reads the cache, writes nothing.
 *
 * Throws `corrupt` or `not_found` as {@link openCache} does.
 */
export async function draftFill(files: readonly ProbedFile[], now: number): Promise<DirectoryDraft> {
  const opened = await openCache(files[0]?.path ?? "");
  const { cache, file, bytes, spans } = opened;
  const fields = files.map(({ key, name, state, probed }) => freshFields(key, name, state, now, probed));
  const there = files.map(({ key }) =>
    spans?.members.findLast((member) => member.key === key && member.value.type === "object"),
  );
  const added = files.flatMap(({ key }, index) =>
    there[index] === undefined ? [entryText(key, [...(fields[index] ?? []), ...NOT_CONVERTED])] : [],
  );
  const text = `{\n  ${added.join(",\n  ")}\n}`;
  const splices =
    bytes === undefined || spans === undefined
      ? undefined
      : [
          ...spliceObject(bytes, spans, { remove: new Set(), replace: new Map(), append: added }, "  "),
          ...there.flatMap((member, index) =>
            member ? setFields(bytes, member, (fields[index] ?? []).slice(FIRST)) : [],
          ),
        ].toSorted((a, b) => a.start - b.start);
  const after = bytes === undefined || splices === undefined ? Buffer.from(text) : applySplices(bytes, splices);
  const changes = files.map(({ key, name, path, state }, index): Change => ({
    id: index + 1,
    does: "scan",
    kind: "directory",
    cache,
    entry: key,
    name,
    problem: "changed",
    reason: { rule: there[index] === undefined ? "not_in_the_cache" : "no_probe_data", observed: null },
    evidence: [evidenceOf(path, state)],
  }));
  const seen = bytes === undefined ? null : contentOf(bytes);
  const action: Action = {
    type: "write_file",
    seq: 1,
    file,
    lock: file,
    changes: changes.map(({ id }) => id),
    after: [],
    evidence: changes.flatMap(({ evidence }) => evidence),
    seen,
    source: splices === undefined ? { text } : { splices },
    result: contentOf(after),
    attributes: bytes === undefined ? { mode: 0o644 } : {},
  };
  const caches: PlannedCache[] = [{ cache, file, seen }];
  return { changes, actions: [action], caches, bytes: (bytes?.length ?? 0) - after.length };
}

/** Puts the parts of several directories into one draft, numbered through. */
export function joinDrafts(parts: readonly DirectoryDraft[]): Draft {
  const changes: Change[] = [];
  const actions: Action[] = [];
  for (const part of parts) {
    const [firstChange, firstAction] = [changes.length, actions.length];
    for (const change of part.changes) changes.push({ ...change, id: change.id + firstChange });
    for (const action of part.actions) {
      actions.push({ ...action, seq: action.seq + firstAction, changes: action.changes.map((id) => id + firstChange) });
    }
  }
  return {
    changes,
    actions,
    caches: parts.flatMap(({ caches }) => caches),
    skipped: [],
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

const NOT_CONVERTED = [
  ["conversion_count", "0"],
  ["last_conversion_duration", "null"],
] as const;

/** An entry that is there keeps its first four fields: they are what its key was made of. */
const FIRST = 4;

function evidenceOf(path: string, { size, mtimeNs }: UnprobedFile["state"]): Evidence {
  return { path, expect: "same", size: String(size), mtimeNs: String(mtimeNs) };
}
