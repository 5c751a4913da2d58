import { dirname } from "node:path";

import type { Context } from "../../context.ts";
import { readSeenFile } from "../../file.ts";
import type { Problem, Reason, Trouble } from "../../finding.ts";
import { presenceOf } from "../../presence.ts";
import { parseDuration } from "../../units.ts";
import { walk, type Listing } from "../../walk.ts";
import { readDocument, scalar, type Damage } from "./document.ts";
import { lastByKey, readEntry } from "./entry.ts";
import { judge } from "./judge.ts";

/** One entry of a cache file with its place in the text and what was found out about it. */
export interface InspectedEntry {
  readonly key: string;
  /** Name of the media file as the entry records it. */
  readonly name: string | null;
  /** Where it stands, `"key": {…}`, in characters (UTF-16) of the text: `[start, end)`. */
  readonly start: number;
  readonly end: number;
  /** Its size in the file, in bytes. */
  readonly bytes: number;
  /** When it was last written, in milliseconds since 1970, if it says. */
  readonly lastSeen: number | null;
  readonly problem: Problem | null;
  readonly reason: Reason | null;
  /** Its plain fields: codec, resolution, duration and whatever else it holds. */
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

/** A cache file looked into. */
export interface Inspection {
  readonly damage: Damage | null;
  readonly entries: readonly InspectedEntry[];
  readonly troubles: readonly Trouble[];
}

/**
 * Looks into one cache file: every entry, where it stands, and whether it is in order. Only reads.
 *
 * With `text` it is judged as if the file held that: for an editor whose buffer is not saved. Throws the system's
 * error when the file cannot be read.
 */
export async function inspectCache(cache: string, text: string | undefined, context: Context): Promise<Inspection> {
  const bytes = text === undefined ? (await readSeenFile(cache)).bytes : Buffer.from(text, "utf8");
  const reading = readDocument(bytes);
  if ("damage" in reading) return { damage: reading.damage, entries: [], troubles: [] };
  const { listing, troubles } = await listingOf(dirname(cache), context);
  if (listing === undefined) return { damage: null, entries: [], troubles };
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  const around = {
    listing,
    realRoots: [listing.path],
    presenceOf: (path: string) => presenceOf(path, timeLimitSeconds),
  };
  const found = await judge(bytes, lastByKey(reading.spans), around);
  const problems = new Map(found.map(({ finding }) => [finding.entry, finding]));
  const offsetOf = characterOffsets(bytes);
  const entries = [...lastByKey(reading.spans)].map(([key, last]): InspectedEntry => {
    const entry = readEntry(bytes, last);
    const finding = problems.get(key);
    const fields = typeof entry === "string" ? [] : entry.fields.members;
    return {
      key,
      name: typeof entry === "string" ? null : (entry.names[0] ?? null),
      start: offsetOf(last.start),
      end: offsetOf(last.value.end),
      bytes: last.value.end - last.start,
      lastSeen: typeof entry === "string" ? null : (entry.lastSeen ?? null),
      problem: finding?.problem ?? null,
      reason: finding?.reason ?? null,
      fields: Object.fromEntries(
        fields.flatMap(({ key: field, value }) => {
          const plain = scalar(bytes, value);
          return plain === undefined ? [] : [[field, plain]];
        }),
      ),
    };
  });
  return { damage: null, entries, troubles };
}

async function listingOf(path: string, context: Context) {
  const troubles: Trouble[] = [];
  let listing: Listing | undefined;
  const options = {
    signal: context.signal,
    timeLimitSeconds: parseDuration(context.configuration.timeLimit),
    onTrouble: (trouble: Trouble) => troubles.push(trouble),
    only: [path],
  };
  await walk([path], options, async (found) => {
    listing = found;
  });
  return { listing, troubles };
}

/** Turns byte offsets, asked for in any order, into offsets in UTF-16 characters. */
function characterOffsets(bytes: Buffer): (byte: number) => number {
  // Nearly every cache is ASCII, as Python writes it: there the two are the same.
  if (bytes.every((byte) => byte < 0x80)) return (byte) => byte;
  let at = { byte: 0, character: 0 };
  return (byte) => {
    if (byte < at.byte) at = { byte: 0, character: 0 };
    at = { byte, character: at.character + bytes.toString("utf8", at.byte, byte).length };
    return at.character;
  };
}
