import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";

import type { Draft } from "../../draft.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import type { Evidence } from "../../evidence.ts";
import { contentOf } from "../../file.ts";
import type { Change } from "../../change.ts";
import type { Action } from "../../plan.ts";
import { applySplices } from "../../splice.ts";
import { readObject, scalar, type Member } from "./document.ts";
import { spliceObject } from "./edit.ts";
import { readEntry } from "./entry.ts";
import { openCache, setFields, type OpenCache } from "./open-cache.ts";
import { fingerprint, pythonFloat } from "./fingerprint.ts";
import { freshFields, naiveLocalTime } from "./fresh-entry.ts";
import { entryText, pythonString } from "./python-json.ts";

/** A conversion that ended. All paths are absolute. */
export interface Conversion {
  /** The media file that was converted. */
  readonly media: string;
  /** What it became; the same path for a conversion in place. `undefined`: the conversion failed. */
  readonly converted: string | undefined;
  /** Why it failed. */
  readonly error: string | undefined;
  readonly durationSeconds: number | undefined;
}

/**
 * Drafts what mediabox's cache should say after a conversion.
 *
 * In place (A): the old entry goes, a new one comes. New file (B): the same, and the old entry goes only when its file
 * is gone. Failed (C): the entry stays and notes the error. The new entry does not inherit the old file's probe data,
 * as the program's own does: it holds none, so the next scan probes it.
 *
 * Throws `not_found` when the converted file, or for a failure the entry, is not there; `corrupt` for a damaged cache.
 */
export async function draftRecord(conversion: Conversion, now: number): Promise<Draft> {
  const { media, converted, error } = conversion;
  if (converted === undefined) return makeDraft([await noteFailure(media, error ?? "conversion failed", now)]);
  const stats = await statMedia(converted);
  const name = basename(converted);
  const key = fingerprint(name, stats.size, stats.mtimeNs);
  const old = await openCache(media);
  const target = dirname(media) === dirname(converted) ? old : await openCache(converted);
  const gone = media === converted || !(await isThere(media));
  const before = membersOf(old, basename(media)).filter(({ key: oldKey }) => oldKey !== key);
  // An entry that is there already may have counted this conversion.
  const there = target.spans?.members.filter(({ key: newKey }) => newKey === key) ?? [];
  const conversions = Math.max(conversionsOf(old, before) + 1, conversionsOf(target, there));
  const oldMembers = gone ? before : [];
  const evidence: Evidence[] = [
    { path: converted, expect: "same", size: String(stats.size), mtimeNs: String(stats.mtimeNs) },
    ...(gone && media !== converted ? [{ path: media, expect: "gone" } as const] : []),
  ];
  const conversionFields: (readonly [string, string])[] = [
    ["conversion_count", String(conversions)],
    [
      "last_conversion_duration",
      conversion.durationSeconds === undefined ? "null" : pythonFloat(conversion.durationSeconds),
    ],
    ["last_processed", pythonString(naiveLocalTime(now))],
    ["processing_error", "null"],
  ];
  const arrival = { key, name, fields: [...freshFields(key, name, stats, now), ...conversionFields], conversionFields };
  if (target === old) return makeDraft([editCache(old, oldMembers, arrival, evidence)]);
  const edit = editCache(target, [], arrival, evidence);
  if (oldMembers.length === 0) return makeDraft([edit]);
  return makeDraft([edit, editCache(old, oldMembers, undefined, evidence)]);
}

interface Arrival {
  readonly key: string;
  readonly name: string;
  readonly fields: readonly (readonly [name: string, json: string])[];
  /** What an entry that mediabox wrote already under this key gets beside its own fields. */
  readonly conversionFields: readonly (readonly [name: string, json: string])[];
}

interface Edit {
  readonly opened: OpenCache;
  readonly after: Buffer;
  readonly source: Extract<Action, { type: "write_file" }>["source"];
  readonly change: Omit<Change, "id">;
}

async function noteFailure(media: string, error: string, now: number): Promise<Edit> {
  const opened = await openCache(media);
  const name = basename(media);
  const current = await currentKey(media);
  const members = membersOf(opened, name);
  const member = members.findLast(({ key }) => key === current) ?? members.at(-1);
  if (member === undefined || opened.bytes === undefined || opened.spans === undefined) {
    throw new CacheOpsError("not_found", `${opened.cache} has no entry of ${name}`, {
      hint: "Scan the directory first; there is nothing to note the failure in.",
    });
  }
  const splices = setFields(opened.bytes, member, [
    ["last_processed", pythonString(naiveLocalTime(now))],
    ["processing_error", pythonString(error)],
  ]);
  return {
    opened,
    after: applySplices(opened.bytes, splices),
    source: { splices },
    change: changeOf(opened, member.key, name, "conversion_failed", error, []),
  };
}

function editCache(
  opened: OpenCache,
  old: readonly Member[],
  arrival: Arrival | undefined,
  evidence: Evidence[],
): Edit {
  const change = changeOf(
    opened,
    arrival?.key ?? old[0]?.key ?? null,
    arrival?.name ?? null,
    "converted",
    old.map(({ key }) => key).join(" ") || null,
    evidence,
  );
  const text = arrival && entryText(arrival.key, arrival.fields);
  if (opened.bytes === undefined || opened.spans === undefined) {
    const content = `{\n  ${text ?? ""}\n}`;
    return { opened, after: Buffer.from(content), source: { text: content }, change };
  }
  const { bytes, spans } = opened;
  const last = spans.members.findLast(({ key }) => key === arrival?.key);
  const present = last?.value.type === "object" ? last : undefined;
  const oldKeys = new Set([...old.map(({ key }) => key), ...(arrival && !present ? [arrival.key] : [])]);
  const remove = new Set(spans.members.flatMap(({ key }, index) => (oldKeys.has(key) ? [index] : [])));
  const append = text === undefined || present !== undefined ? [] : [text];
  const splices = [
    ...spliceObject(bytes, spans, { remove, replace: new Map(), append }, "  "),
    ...(present && arrival ? setFields(bytes, present, arrival.conversionFields) : []),
  ].toSorted((a, b) => a.start - b.start);
  return { opened, after: applySplices(bytes, splices), source: { splices }, change };
}

function membersOf({ bytes, spans }: OpenCache, name: string): Member[] {
  if (bytes === undefined || spans === undefined) return [];
  return spans.members.filter((member) => {
    const entry = readEntry(bytes, member);
    return typeof entry !== "string" && entry.names.includes(name);
  });
}

function conversionsOf({ bytes }: OpenCache, members: readonly Member[]): number {
  const counts = members.map((member) => {
    const fields = bytes && member.value.type === "object" ? readObject(bytes, member.value.start).members : [];
    const field = fields.findLast(({ key }) => key === "conversion_count");
    const value = bytes && field ? scalar(bytes, field.value) : 0;
    return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
  });
  return Math.max(0, ...counts);
}

async function currentKey(media: string): Promise<string | undefined> {
  try {
    const stats = await stat(media, { bigint: true });
    return fingerprint(basename(media), stats.size, stats.mtimeNs);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await currentKey(path)) !== undefined;
}

async function statMedia(path: string) {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    throw new CacheOpsError("not_found", `${path} does not exist`, {
      hint: "Record a conversion after its result is in place, or record that it failed.",
    });
  }
}

function changeOf(
  { cache }: OpenCache,
  entry: string | null,
  name: string | null,
  rule: string,
  observed: string | null,
  evidence: Evidence[],
): Omit<Change, "id"> {
  return {
    does: "record",
    kind: "directory",
    cache,
    entry,
    name,
    problem: "changed",
    reason: { rule, observed },
    evidence,
  };
}

function makeDraft(edits: readonly Edit[]): Draft {
  const changes = edits.map(({ change }, index) => ({ ...change, id: index + 1 }));
  const actions = edits.map(({ opened, after, source, change }, index): Action => ({
    type: "write_file",
    seq: index + 1,
    file: opened.file,
    lock: opened.file,
    changes: [index + 1],
    // The new home first: only when it holds the entry is the old one cut.
    after: index === 0 ? [] : [index],
    evidence: change.evidence,
    seen: opened.bytes === undefined ? null : contentOf(opened.bytes),
    source,
    result: contentOf(after),
    attributes: opened.bytes === undefined ? { mode: 0o644 } : {},
  }));
  return {
    changes,
    actions,
    caches: edits.map(({ opened: { cache, file, bytes } }) => ({ cache, file, seen: bytes ? contentOf(bytes) : null })),
    skipped: [],
    bytes: edits.reduce((sum, { opened, after }) => sum + (opened.bytes?.length ?? 0) - after.length, 0),
  };
}
