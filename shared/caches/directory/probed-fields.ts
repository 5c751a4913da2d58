import { Type, type Static } from "typebox";

import type { ProbeData } from "../../ffprobe.ts";
import { pythonFloat } from "./fingerprint.ts";
import { pythonString } from "./python-json.ts";

const NullableText = Type.Union([Type.String(), Type.Null()]);
const NullableWhole = Type.Union([Type.Integer(), Type.Null()]);

/** What the 17 fields of an entry rest on that tell of its media; sizes are pixels, `bitRate` bits per second. */
export const ProbedValues = Type.Object(
  {
    videoCodec: NullableText,
    audioCodec: NullableText,
    width: NullableWhole,
    height: NullableWhole,
    durationSeconds: Type.Number(),
    bitRate: Type.Integer(),
    colorTransfer: Type.String(),
    colorPrimaries: Type.String(),
    colorSpace: Type.String(),
    bitDepth: Type.Integer(),
    audioChannels: Type.Integer(),
    audioLayout: Type.String(),
    hasStereo: Type.Boolean(),
    hasSurround: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type ProbedValues = Static<typeof ProbedValues>;

/**
 * What ffprobe found out, as the 17 fields `codec_video` … `has_surround_track` of an entry, each with its JSON, by
 * mediabox's own rules - also where these are wrong: any `10` in the pixel format means ten bits to it, so `yuv410p`
 * counts as 10-bit and 12-bit video as 8-bit. With `isCorrected` depth and HDR are what they really are.
 */
export function probedFields(
  data: ProbeData,
  options: { readonly isCorrected: boolean },
): readonly (readonly [string, string])[] {
  return fieldsOf(probedValues(data, options));
}

function probedValues(
  { streams, format }: ProbeData,
  { isCorrected }: { readonly isCorrected: boolean },
): ProbedValues {
  const video = streams.find((stream) => stream["codec_type"] === "video");
  const audio = streams.filter((stream) => stream["codec_type"] === "audio");
  const [first] = audio;
  const channels = audio.map((stream) => whole(stream["channels"]));
  return {
    videoCodec: nullable(video?.["codec_name"]),
    audioCodec: nullable(first?.["codec_name"]),
    width: video === undefined ? null : whole(video["width"]),
    height: video === undefined ? null : whole(video["height"]),
    durationSeconds: number(format["duration"]),
    bitRate: whole(format["bit_rate"]),
    colorTransfer: text(video?.["color_transfer"]),
    colorPrimaries: text(video?.["color_primaries"]),
    colorSpace: text(video?.["color_space"]),
    bitDepth: bitDepth(text(video?.["pix_fmt"]), isCorrected),
    audioChannels: channels[0] ?? 0,
    audioLayout: text(first?.["channel_layout"]),
    hasStereo: channels.includes(2),
    hasSurround: channels.some((count) => count > 2),
  };
}

/** The 17 fields `codec_video` … `has_surround_track` of an entry, each with its JSON as mediabox writes it. */
export function fieldsOf(values: ProbedValues): readonly (readonly [string, string])[] {
  const { width, height } = values;
  const hdr = hdrType(values);
  return [
    ["codec_video", textOrNull(values.videoCodec)],
    ["codec_audio", textOrNull(values.audioCodec)],
    ["resolution", textOrNull((width ?? 0) > 0 && (height ?? 0) > 0 ? `${width}x${height}` : null)],
    ["width", String(width)],
    ["height", String(height)],
    ["duration", pythonFloat(values.durationSeconds)],
    ["bitrate", String(values.bitRate)],
    ["is_hdr", String(hdr !== null)],
    ["hdr_type", textOrNull(hdr)],
    ["color_transfer", pythonString(values.colorTransfer)],
    ["color_primaries", pythonString(values.colorPrimaries)],
    ["color_space", pythonString(values.colorSpace)],
    ["bit_depth", String(values.bitDepth)],
    ["audio_channels", pythonString(String(values.audioChannels))],
    ["audio_layout", pythonString(values.audioLayout)],
    ["has_stereo_track", String(values.hasStereo)],
    ["has_surround_track", String(values.hasSurround)],
  ];
}

/** mediabox knows 8 and 10. The real depth stands at the end of a pixel format's name, before its byte order. */
function bitDepth(pixelFormat: string, isCorrected: boolean): number {
  if (!isCorrected) return pixelFormat.includes("10") ? 10 : 8;
  const digits =
    /p(?:0?)(\d{2})(?:le|be)$/.exec(pixelFormat)?.[1] ?? /^(?:gray|x2\w*|p0)(\d{2})(?:le|be)$/.exec(pixelFormat)?.[1];
  return digits === undefined ? 8 : Number(digits);
}

function hdrType({ colorTransfer, colorPrimaries, bitDepth: depth }: ProbedValues): string | null {
  if (colorTransfer === "smpte2084") return "HDR10";
  if (colorTransfer === "arib-std-b67") return "HLG";
  return colorPrimaries === "bt2020" && depth >= 10 ? "HDR (BT.2020)" : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function nullable(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function textOrNull(value: string | null): string {
  return value === null ? "null" : pythonString(value);
}

/** ffprobe writes most numbers as text, and `N/A` where there is none. */
function number(value: unknown): number {
  const found = typeof value === "string" || typeof value === "number" ? Number(value) : 0;
  return Number.isFinite(found) ? found : 0;
}

function whole(value: unknown): number {
  return Math.trunc(number(value));
}
