import type { ProbeData } from "../../ffprobe.ts";
import { pythonFloat } from "./fingerprint.ts";
import { pythonString } from "./python-json.ts";

type Stream = Readonly<Record<string, unknown>>;

/**
 * What ffprobe found out, as the 17 fields `codec_video` … `has_surround_track` of an entry, each with its JSON, by
 * mediabox's own rules - also where these are wrong: any `10` in the pixel format means ten bits to it, so `yuv410p`
 * counts as 10-bit and 12-bit video as 8-bit. With `isCorrected` depth and HDR are what they really are.
 */
export function probedFields(
  { streams, format }: ProbeData,
  { isCorrected }: { readonly isCorrected: boolean },
): (readonly [string, string])[] {
  const video = streams.find((stream) => stream["codec_type"] === "video");
  const audio = streams.filter((stream) => stream["codec_type"] === "audio");
  const [first] = audio;
  const [width, height] = [whole(video?.["width"]), whole(video?.["height"])];
  const depth = bitDepth(text(video?.["pix_fmt"]), isCorrected);
  const hdr = hdrType(video, depth);
  const channels = audio.map((stream) => whole(stream["channels"]));
  return [
    ["codec_video", nullable(video?.["codec_name"])],
    ["codec_audio", nullable(first?.["codec_name"])],
    ["resolution", width > 0 && height > 0 ? pythonString(`${width}x${height}`) : "null"],
    ["width", video === undefined ? "null" : String(width)],
    ["height", video === undefined ? "null" : String(height)],
    ["duration", pythonFloat(number(format["duration"]))],
    ["bitrate", String(whole(format["bit_rate"]))],
    ["is_hdr", String(hdr !== null)],
    ["hdr_type", hdr === null ? "null" : pythonString(hdr)],
    ["color_transfer", pythonString(text(video?.["color_transfer"]))],
    ["color_primaries", pythonString(text(video?.["color_primaries"]))],
    ["color_space", pythonString(text(video?.["color_space"]))],
    ["bit_depth", String(depth)],
    ["audio_channels", pythonString(String(channels[0] ?? 0))],
    ["audio_layout", pythonString(text(first?.["channel_layout"]))],
    ["has_stereo_track", String(channels.includes(2))],
    ["has_surround_track", String(channels.some((count) => count > 2))],
  ];
}

/** mediabox knows 8 and 10. The real depth stands at the end of a pixel format's name, before its byte order. */
function bitDepth(pixelFormat: string, isCorrected: boolean): number {
  if (!isCorrected) return pixelFormat.includes("10") ? 10 : 8;
  const digits =
    /p(?:0?)(\d{2})(?:le|be)$/.exec(pixelFormat)?.[1] ?? /^(?:gray|x2\w*|p0)(\d{2})(?:le|be)$/.exec(pixelFormat)?.[1];
  return digits === undefined ? 8 : Number(digits);
}

function hdrType(video: Stream | undefined, depth: number): string | null {
  const transfer = video?.["color_transfer"];
  if (transfer === "smpte2084") return "HDR10";
  if (transfer === "arib-std-b67") return "HLG";
  return video?.["color_primaries"] === "bt2020" && depth >= 10 ? "HDR (BT.2020)" : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function nullable(value: unknown): string {
  return typeof value === "string" ? pythonString(value) : "null";
}

/** ffprobe writes most numbers as text, and `N/A` where there is none. */
function number(value: unknown): number {
  const found = typeof value === "string" || typeof value === "number" ? Number(value) : 0;
  return Number.isFinite(found) ? found : 0;
}

function whole(value: unknown): number {
  return Math.trunc(number(value));
}
