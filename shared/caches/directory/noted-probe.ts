import { matches } from "../../validate.ts";
import type { PartialResult } from "../probe/probe-cache.ts";
import { scalar } from "./document.ts";
import type { Entry } from "./entry.ts";
import { fieldsOf, ProbedValues } from "./probed-fields.ts";

/** What an entry notes of its media, and when that was found out (ms since 1970); or the rule why it is not used. */
export type NotedProbe = { readonly result: PartialResult; readonly at: number } | { readonly rule: string };

/**
 * Reads what an entry notes of its media. Its 17 fields must be all there and be, byte for byte, what mediabox makes of
 * the values they rest on: then they can be written again from these values.
 *
 * 1. Nothing is known of any stream, as it was only noted: `no_probe_data`.
 * 2. It tells of the file as it was before its conversion: `inherited_probe_data`.
 * 3. Something else made or changed it: `last_scanned_unreadable`, `not_as_mediabox_writes`.
 */
export function readNotedProbe(bytes: Buffer, { fields }: Entry): NotedProbe {
  const spans = new Map(fields.members.map(({ key, value }) => [key, value]));
  const read = (name: string) => {
    const span = spans.get(name);
    return span === undefined ? undefined : scalar(bytes, span);
  };
  if ((read("codec_video") ?? null) === null && (read("codec_audio") ?? null) === null)
    return { rule: "no_probe_data" };
  const [scanned, processed] = [read("last_scanned"), read("last_processed")];
  const at = typeof scanned === "string" ? Date.parse(scanned) : Number.NaN;
  if (typeof scanned !== "string" || Number.isNaN(at)) return { rule: "last_scanned_unreadable" };
  const isConverted = ![undefined, null, 0].some((none) => none === read("conversion_count"));
  if (isConverted && !(typeof processed === "string" && scanned > processed)) return { rule: "inherited_probe_data" };
  const channels = read("audio_channels");
  const values: Record<keyof ProbedValues, unknown> = {
    videoCodec: read("codec_video"),
    audioCodec: read("codec_audio"),
    width: read("width"),
    height: read("height"),
    durationSeconds: read("duration"),
    bitRate: read("bitrate"),
    colorTransfer: read("color_transfer"),
    colorPrimaries: read("color_primaries"),
    colorSpace: read("color_space"),
    bitDepth: read("bit_depth"),
    audioChannels: typeof channels === "string" ? Number(channels) : undefined,
    audioLayout: read("audio_layout"),
    hasStereo: read("has_stereo_track"),
    hasSurround: read("has_surround_track"),
  };
  if (!matches(ProbedValues, values)) return { rule: "not_as_mediabox_writes" };
  const isAsWritten = fieldsOf(values).every(([name, json]) => {
    const span = spans.get(name);
    return span !== undefined && bytes.toString("utf8", span.start, span.end) === json;
  });
  if (!isAsWritten) return { rule: "not_as_mediabox_writes" };
  return { result: { state: "partial", writer: writerOf(scanned, values), values }, at };
}

/** mediabox notes times in microseconds and knows two depths; ours are in milliseconds, three zeros behind them. */
function writerOf(scanned: string, { bitDepth }: ProbedValues): PartialResult["writer"] {
  const isExact = /\.\d{6}$/.test(scanned) && !scanned.endsWith("000");
  return isExact && (bitDepth === 8 || bitDepth === 10) ? "mediabox" : "other";
}
