import type { Reason } from "../../../finding.ts";
import { printable } from "../../../printable.ts";
import { readDocument, scalar, type ObjectSpans } from "../../directory/document.ts";
import { plainValue, readPickle, type PathStyle, type PickleNode } from "./pickle.ts";
import { joinSegments } from "./python-path.ts";

/** One entry of media-audit's cache, as its file says. Times are seconds since 1970, as Python's floats have them. */
export interface MediaAuditEntry {
  readonly key: string;
  /** ffprobe's answer; for directories whatever media-audit made of them, left unread. */
  readonly data: unknown;
  readonly filePath: string;
  readonly style: PathStyle;
  readonly fileSize: number;
  readonly fileMtime: number;
  readonly cacheTime: number;
  /** Absent in entries from before schemas had versions. */
  readonly schemaVersion: string | undefined;
}

/**
 * What a file is: an entry; `corrupt`: torn or not what the program writes, useless to it; `refused`: not read,
 * because it is not plain data.
 */
export type EntryReading =
  | { readonly entry: MediaAuditEntry }
  | { readonly corrupt: Reason }
  | { readonly refused: Reason };

/** Reads `probe/<md5>.pkl`. Nothing is executed, whatever the bytes are. */
export function readProbeEntry(bytes: Buffer): EntryReading {
  if (bytes.length === 0) return corrupt("empty_file", 0);
  const reading = readPickle(bytes);
  if ("truncatedAt" in reading) return corrupt("truncated", `byte ${reading.truncatedAt}`);
  if ("refused" in reading) return refused(`${reading.refused} at byte ${reading.offset}`);
  const { attributes } = reading;
  const unknown = [...attributes.keys()].find((name) => !PROBE_FIELDS.has(name));
  if (unknown !== undefined) return refused(`attribute ${unknown}`);
  const path = attributes.get("file_path");
  const data = attributes.get("data");
  if (path?.kind !== "path") return refused("no file_path");
  if (data?.kind !== "dict" || holdsPath(data)) return refused("no data");
  return withPlainFields((name) => scalarOf(attributes.get(name)), {
    data: plainValue(data),
    filePath: joinSegments(path.style, path.segments),
    style: path.style,
  });
}

/** Reads `scan/<md5>.json`. A field the program does not know makes it fail to read the file: that is `corrupt`, too. */
export function readScanEntry(bytes: Buffer): EntryReading {
  const reading = readDocument(bytes);
  if ("damage" in reading) return corrupt(reading.damage.rule, `byte ${reading.damage.offset}`);
  const fields = fieldsOf(bytes, reading.spans);
  const unknown = [...fields.keys()].find((name) => !PROBE_FIELDS.has(name));
  if (unknown !== undefined) return corrupt("unknown_field", printable(unknown).slice(0, 80));
  const filePath = fields.get("file_path");
  if (typeof filePath !== "string" || filePath === "") return corrupt("field_missing", "file_path");
  const style = /^[A-Za-z]:\\|^\\\\/.test(filePath) ? "windows" : "posix";
  const read = withPlainFields((name) => fields.get(name), { data: undefined, filePath, style });
  return "refused" in read ? corrupt("field_missing", read.refused.observed) : read;
}

const PROBE_FIELDS = new Set(["key", "data", "file_path", "file_size", "file_mtime", "cache_time", "schema_version"]);

function withPlainFields(
  field: (name: string) => unknown,
  rest: Pick<MediaAuditEntry, "data" | "filePath" | "style">,
): EntryReading {
  const [key, fileSize, fileMtime, cacheTime] = ["key", "file_size", "file_mtime", "cache_time"].map(field);
  const schemaVersion = field("schema_version") ?? undefined;
  if (typeof key !== "string") return refused("no key");
  if (typeof fileSize !== "number" || !Number.isSafeInteger(fileSize) || fileSize < 0) return refused("no file_size");
  if (typeof fileMtime !== "number" || !Number.isFinite(fileMtime)) return refused("no file_mtime");
  if (typeof cacheTime !== "number" || !Number.isFinite(cacheTime)) return refused("no cache_time");
  if (schemaVersion !== undefined && typeof schemaVersion !== "string") return refused("no schema_version");
  if (rest.filePath.includes("\0")) return refused("a path with a zero byte");
  return { entry: { key, fileSize, fileMtime, cacheTime, schemaVersion, ...rest } };
}

function scalarOf(node: PickleNode | undefined): unknown {
  return node?.kind === "scalar" ? node.value : undefined;
}

function holdsPath(node: PickleNode): boolean {
  if (node.kind === "list") return node.items.some(holdsPath);
  return node.kind === "dict" ? [...node.entries.values()].some(holdsPath) : node.kind === "path";
}

function fieldsOf(bytes: Buffer, { members }: ObjectSpans): ReadonlyMap<string, unknown> {
  return new Map(members.map(({ key, value }) => [key, scalar(bytes, value)]));
}

function corrupt(rule: string, observed: Reason["observed"]): EntryReading {
  return { corrupt: { rule, observed } };
}

function refused(what: string): EntryReading {
  return { refused: { rule: "pickle_refused", observed: printable(what).slice(0, 120) } };
}
