import type { InspectedEntry } from "@cache-ops/shared";
import { formatBytes } from "@cache-ops/shared/units";
import { printable } from "@cache-ops/shared/printable";

/**
 * What an entry says of its media, in short facts: `hevc / eac3`, `3840x2160`, `HDR10`, `10 bit`, `1 h 42 min`,
 * `4.2 GB`. What it does not say, or says as something else than mediabox writes, is left out.
 */
export function factsOf({ fields }: Pick<InspectedEntry, "fields">): string[] {
  const codecs = [textOf(fields["codec_video"]), textOf(fields["codec_audio"])].filter((codec) => codec !== undefined);
  const hdr = textOf(fields["hdr_type"]) ?? (fields["is_hdr"] === true ? "HDR" : undefined);
  const bits = positive(fields["bit_depth"]);
  const bytes = positive(fields["file_size"]);
  return [
    codecs.length === 0 ? "not probed yet" : codecs.join(" / "),
    textOf(fields["resolution"]),
    hdr,
    bits !== undefined && bits > 8 ? `${bits} bit` : undefined,
    durationText(positive(fields["duration"])),
    bytes === undefined ? undefined : formatBytes(bytes),
  ].filter((fact) => fact !== undefined);
}

/** The name of an entry's media as it may be shown, on one line and cut. */
export function nameOf({ name }: Pick<InspectedEntry, "name">): string {
  return name === null ? "An entry without a name" : clipped(name, 120);
}

/** When an entry was probed, and converted if it was, as it says so itself: local time without a zone. */
export function timesOf({ fields }: Pick<InspectedEntry, "fields">): string[] {
  const [scanned, processed] = [timeText(fields["last_scanned"]), timeText(fields["last_processed"])];
  const error = textOf(fields["processing_error"]);
  return [
    scanned === undefined ? undefined : `probed ${scanned}`,
    processed === undefined ? undefined : `${error === undefined ? "converted" : "conversion failed"} ${processed}`,
    error,
  ].filter((time) => time !== undefined);
}

type Field = InspectedEntry["fields"][string] | undefined;

function textOf(field: Field): string | undefined {
  if (typeof field !== "string" || field === "") return undefined;
  return clipped(field, 80);
}

/** Text of others on one line, {@link printable}, and cut at so many characters. */
export function clipped(text: string, length: number): string {
  const line = printable(text);
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

function positive(field: Field): number | undefined {
  return typeof field === "number" && Number.isFinite(field) && field > 0 ? field : undefined;
}

function timeText(field: Field): string | undefined {
  const time = typeof field === "string" ? /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)/.exec(field) : null;
  return time === null ? undefined : `${time[1]} ${time[2]}`;
}

/** A length of time as a person reads it: `4.5 s`, `45 s`, `12 min`, `1 h 42 min`. */
export function durationText(seconds: number | undefined): string | undefined {
  if (seconds === undefined) return undefined;
  if (seconds < 60) return `${seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
