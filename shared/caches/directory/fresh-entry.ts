import { pythonFloat, pythonMtime } from "./fingerprint.ts";
import { pythonString } from "./python-json.ts";

/** The 17 fields of an entry that was not probed yet, with the values mediabox itself uses where it found nothing. */
const UNPROBED: readonly (readonly [string, string])[] = [
  ["codec_video", "null"],
  ["codec_audio", "null"],
  ["resolution", "null"],
  ["width", "0"],
  ["height", "0"],
  ["duration", "0.0"],
  ["bitrate", "0"],
  ["is_hdr", "false"],
  ["hdr_type", "null"],
  ["color_transfer", '""'],
  ["color_primaries", '""'],
  ["color_space", '""'],
  ["bit_depth", "8"],
  ["audio_channels", '"0"'],
  ["audio_layout", '""'],
  ["has_stereo_track", "false"],
  ["has_surround_track", "false"],
];

/** The first 24 fields of an entry, each with its JSON, in mediabox's order. */
export function freshFields(
  key: string,
  name: string,
  stats: { readonly size: bigint; readonly mtimeNs: bigint },
  now: number,
  probed: readonly (readonly [string, string])[] = UNPROBED,
): (readonly [string, string])[] {
  return [
    ["fingerprint_hash", pythonString(key)],
    ["file_name", pythonString(name)],
    ["file_size", String(stats.size)],
    ["file_mtime", pythonFloat(pythonMtime(stats.mtimeNs))],
    ["last_scanned", pythonString(naiveLocalTime(now))],
    ...probed,
    ["conversion_params", "null"],
    ["processing_version", '"1.0.0"'],
  ];
}

/** `datetime.now().isoformat()`: local time without a zone, in microseconds, these left out when they are zero. */
export function naiveLocalTime(now: number): string {
  const local = new Date(now - new Date(now).getTimezoneOffset() * 60_000).toISOString().slice(0, 23);
  return local.endsWith(".000") ? local.slice(0, 19) : `${local}000`;
}
