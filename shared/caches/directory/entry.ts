import { readObject, scalar, type Member, type ObjectSpans, type Value } from "./document.ts";

/** One cached media file as mediabox wrote it, in either format. */
export interface Entry {
  readonly key: string;
  /** The names the entry gives its media, if any: `file_name`, then the last component of a legacy `file_path`. */
  readonly names: readonly string[];
  readonly size: number | undefined;
  /** Recorded modification time in seconds. */
  readonly mtime: number | undefined;
  /** When it was last scanned or processed, in milliseconds since 1970, by the local clock of the machine that did. */
  readonly lastSeen: number | undefined;
  /** The fields with their positions. */
  readonly fields: ObjectSpans;
  readonly value: Value;
}

/** Why a member of a cache file is not an entry. */
export type NotAnEntry = "key_not_a_fingerprint" | "entry_not_an_object";

/** Reads a member of the cache file, or says why it is none that mediabox could have written. */
export function readEntry(bytes: Buffer, member: Member): Entry | NotAnEntry {
  if (!/^[0-9a-f]{64}$/.test(member.key)) return "key_not_a_fingerprint";
  if (member.value.type !== "object") return "entry_not_an_object";
  const fields = readObject(bytes, member.value.start);
  const values = new Map(fields.members.map((field) => [field.key, field.value]));
  const read = (name: string) => {
    const value = values.get(name);
    return value === undefined ? undefined : scalar(bytes, value);
  };
  const names = [read("file_name"), baseName(read("file_path"))].filter((name) => typeof name === "string");
  return {
    key: member.key,
    names: [...new Set(names)],
    size: numberOf(read("file_size")),
    mtime: numberOf(read("file_mtime")),
    lastSeen: latest(timeOf(read("last_scanned")), timeOf(read("last_processed"))),
    fields,
    value: member.value,
  };
}

/** The first name that the entry of a member gives its media; `undefined` when there is none. */
export function nameIn(bytes: Buffer, member: Member): string | undefined {
  const entry = readEntry(bytes, member);
  return typeof entry === "string" ? undefined : entry.names[0];
}

/** The entries' positions by key: a key that occurs twice means its last occurrence, as Python reads it. */
export function membersByKey(spans: ObjectSpans): Map<string, { readonly last: Member; readonly indexes: number[] }> {
  const byKey = new Map<string, { last: Member; indexes: number[] }>();
  for (const [index, member] of spans.members.entries()) {
    const known = byKey.get(member.key);
    byKey.set(member.key, { last: member, indexes: [...(known?.indexes ?? []), index] });
  }
  return byKey;
}

/** The members by key: of a key that occurs twice its last occurrence, as Python reads it, at the place of its first. */
export function lastByKey({ members }: ObjectSpans): Map<string, Member> {
  return new Map(members.map((member) => [member.key, member]));
}

function baseName(path: unknown): unknown {
  return typeof path === "string" ? path.slice(path.lastIndexOf("/") + 1) : path;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** A naive local time such as `2026-11-21T08:06:20.709859`, read in this host's zone. */
function timeOf(value: unknown): number | undefined {
  if (typeof value !== "string") return undefined;
  const time = Date.parse(value);
  return Number.isNaN(time) ? undefined : time;
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
