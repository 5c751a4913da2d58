import { pythonFloat, pythonMtime } from "./fingerprint.ts";
import { pythonString } from "./python-json.ts";

/** The first 24 fields of an entry that was not probed yet, each with its JSON, with the values mediabox itself uses where it found nothing. */
export function freshFields(
  key: string,
  name: string,
  stats: { readonly size: bigint; readonly mtimeNs: bigint },
  now: number,
): (readonly [string, string])[] {
  return [
    ["fingerprint_hash", pythonString(key)],
    ["file_name", pythonString(name)],
    ["file_size", String(stats.size)],
    ["file_mtime", pythonFloat(pythonMtime(stats.mtimeNs))],
    ["last_scanned", pythonString(naiveLocalTime(now))],
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
    ["conversion_params", "null"],
    ["processing_version", '"1.0.0"'],
  ];
}

/** `datetime.now().isoformat()`: local time without a zone, in microseconds, these left out when they are zero. */
export function naiveLocalTime(now: number): string {
  const local = new Date(now - new Date(now).getTimezoneOffset() * 60_000).toISOString().slice(0, 23);
  return local.endsWith(".000") ? local.slice(0, 19) : `${local}000`;
}
