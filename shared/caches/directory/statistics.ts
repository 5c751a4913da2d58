import { Type, type Static } from "typebox";

import type { Context } from "../../context.ts";
import { readIfThere } from "../../file.ts";
import type { SeenCache } from "../../scan.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { readDocument, scalar } from "./document.ts";
import { membersByKey, readEntry, type Entry } from "./entry.ts";
import { needsConversion, type ConversionWishes, type Fields } from "./needs-conversion.ts";

const Counts = (description: string) => Type.Record(Type.String(), Type.Integer(), { description });

/** Figures about the entries of directory caches; the first six are mediabox's own, over whole libraries. */
export const Statistics = Type.Object(
  {
    totalFiles: Type.Integer({ description: "Entries." }),
    hdrFiles: Type.Integer(),
    byAction: Counts("Entries by the action legacy entries name; unknown: none."),
    byResolution: Counts("Entries by resolution."),
    byCodecVideo: Counts("Entries by video codec."),
    byCodecAudio: Counts("Entries by audio codec."),
    byHdrType: Counts("HDR entries by type."),
    needsConversion: Type.Integer({ description: "Entries whose media mediabox would convert." }),
    needsConversionBy: Counts("The same by reason; a file may have several."),
    inheritedProbe: Type.Integer({ description: "Entries that still hold the probe data of before a conversion." }),
    mediaBytes: Type.Integer({ description: "Sum of the recorded media sizes." }),
    byAge: Counts("Entries by the time since they were last written."),
  },
  { additionalProperties: false },
);
export type Statistics = Static<typeof Statistics>;

/** Gathers statistics over caches that a scan could read. Stops when the signal is aborted. */
export async function gatherStatistics(
  caches: readonly SeenCache[],
  wishes: ConversionWishes,
  { now, signal }: Pick<Context, "now" | "signal">,
): Promise<Statistics> {
  const tally = makeTally();
  const moment = now();
  for (const { file, entries } of caches) {
    throwIfAborted(signal);
    if (entries === 0) continue;
    const bytes = (await readIfThere(file))?.bytes;
    if (bytes === undefined) continue;
    const reading = readDocument(bytes);
    if ("damage" in reading) continue;
    for (const { last } of membersByKey(reading.spans).values()) {
      const entry = readEntry(bytes, last);
      if (typeof entry === "string") continue;
      tally.add(entry, fieldsOf(bytes, entry), wishes, moment);
    }
  }
  return tally.result();
}

function fieldsOf(bytes: Buffer, entry: Entry): Fields {
  return new Map(entry.fields.members.map(({ key, value }) => [key, scalar(bytes, value)]));
}

const DAY_MS = 86_400_000;
const AGES = [
  ["under 1 day", 1],
  ["1 to 7 days", 7],
  ["7 to 30 days", 30],
  ["30 to 90 days", 90],
  ["90 to 365 days", 365],
  ["over a year", Infinity],
] as const;

/** The classes that {@link Statistics} counts ages by, youngest first. Entries without a usable time are `unknown`. */
export const AGE_CLASSES = AGES.map(([label]) => label);

function makeTally() {
  const counts = {
    byAction: new Map<string, number>(),
    byResolution: new Map<string, number>(),
    byCodecVideo: new Map<string, number>(),
    byCodecAudio: new Map<string, number>(),
    byHdrType: new Map<string, number>(),
    needsConversionBy: new Map<string, number>(),
    byAge: new Map<string, number>(),
  };
  const sums = { totalFiles: 0, hdrFiles: 0, needsConversion: 0, inheritedProbe: 0, mediaBytes: 0 };
  const bump = (map: Map<string, number>, key: unknown) => {
    const name = typeof key === "string" && key !== "" ? key : "unknown";
    map.set(name, (map.get(name) ?? 0) + 1);
  };
  const add = (entry: Entry, fields: Fields, wishes: ConversionWishes, now: number) => {
    sums.totalFiles += 1;
    bump(counts.byAction, fields.get("action"));
    bump(counts.byResolution, fields.get("resolution"));
    bump(counts.byCodecVideo, fields.get("codec_video"));
    bump(counts.byCodecAudio, fields.get("codec_audio"));
    if (fields.get("is_hdr") === true) {
      sums.hdrFiles += 1;
      bump(counts.byHdrType, fields.get("hdr_type"));
    }
    const reasons = needsConversion(fields, wishes);
    if (reasons.length > 0) sums.needsConversion += 1;
    for (const reason of reasons) bump(counts.needsConversionBy, reason);
    if (hasInheritedProbe(fields)) sums.inheritedProbe += 1;
    if (entry.size !== undefined && Number.isSafeInteger(entry.size)) sums.mediaBytes += entry.size;
    const age = entry.lastSeen === undefined ? undefined : (now - entry.lastSeen) / DAY_MS;
    bump(counts.byAge, age === undefined ? undefined : AGES.find(([, days]) => age < days)?.[0]);
  };
  const result = (): Statistics => ({
    ...sums,
    byAction: sorted(counts.byAction),
    byResolution: sorted(counts.byResolution),
    byCodecVideo: sorted(counts.byCodecVideo),
    byCodecAudio: sorted(counts.byCodecAudio),
    byHdrType: sorted(counts.byHdrType),
    needsConversionBy: sorted(counts.needsConversionBy),
    byAge: sorted(counts.byAge),
  });
  return { add, result };
}

/** mediabox keeps the old probe data under the new fingerprint of a converted file until it is scanned again. */
function hasInheritedProbe(fields: Fields): boolean {
  const [scanned, processed] = [fields.get("last_scanned"), fields.get("last_processed")];
  const conversions = fields.get("conversion_count");
  return (
    typeof conversions === "number" &&
    conversions > 0 &&
    fields.get("codec_video") !== null &&
    typeof scanned === "string" &&
    typeof processed === "string" &&
    scanned < processed
  );
}

/** Largest first. Built from entries, so that a name like `__proto__` is a key like any other. */
function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
}
