import { Type, type Static } from "typebox";

import type { ProbeData } from "../../ffprobe.ts";
import type { ProbedValues } from "../directory/probed-fields.ts";

const Text = Type.Union([Type.String(), Type.Null()]);
const Figure = Type.Union([Type.Number(), Type.Null()]);

const VideoStream = Type.Object(
  {
    codec: Text,
    profile: Text,
    width: Figure,
    height: Figure,
    bitDepth: Figure,
    hdr: Type.Union([Type.Enum(["HDR10", "HDR10+", "HLG", "Dolby Vision"]), Type.Null()]),
    framesPerSecond: Figure,
  },
  { additionalProperties: false },
);
const AudioStream = Type.Object(
  { codec: Text, channels: Figure, layout: Text, language: Text },
  { additionalProperties: false },
);

/** What of a probe result people and agents want to know; `null` is what the file does not say, or nobody noted. */
export const Description = Type.Object(
  {
    container: Text,
    durationSeconds: Figure,
    bitRate: Type.Union([Type.Number(), Type.Null()], { description: "Bits per second." }),
    video: Type.Array(VideoStream, { description: "Video streams; cover pictures are none." }),
    audio: Type.Array(AudioStream),
    subtitles: Type.Union([Type.Integer(), Type.Null()], { description: "Number of subtitle streams." }),
  },
  { additionalProperties: false },
);
export type Description = Static<typeof Description>;
type Stream = Readonly<Record<string, unknown>>;

/** Sums up ffprobe's answer. Of free text in the file only language codes are taken over. */
export function describe({ streams, format }: ProbeData): Description {
  const ofType = (type: string) => streams.filter((stream) => stream["codec_type"] === type);
  return {
    container: text(format["format_name"]),
    durationSeconds: number(format["duration"]),
    bitRate: number(format["bit_rate"]),
    video: ofType("video")
      .filter((stream) => record(stream["disposition"])["attached_pic"] !== 1)
      .map(videoOf),
    audio: ofType("audio").map((stream) => ({
      codec: text(stream["codec_name"]),
      channels: number(stream["channels"]),
      layout: text(stream["channel_layout"]),
      language: languageOf(stream),
    })),
    subtitles: ofType("subtitle").length,
  };
}

/**
 * Sums up what mediabox noted: of the first video and the first audio stream alone. Its bit depth is left out, as it
 * takes 12 bits for 8; its HDR10 may be more than that.
 */
export function describeNoted(values: ProbedValues): Description {
  const { videoCodec, audioCodec, colorTransfer } = values;
  const video = {
    codec: videoCodec,
    profile: null,
    width: values.width || null,
    height: values.height || null,
    bitDepth: null,
    hdr: hdrByTransfer(colorTransfer),
    framesPerSecond: null,
  };
  const audio = {
    codec: audioCodec,
    channels: values.audioChannels || null,
    layout: values.audioLayout || null,
    language: null,
  };
  return {
    container: null,
    durationSeconds: values.durationSeconds || null,
    bitRate: values.bitRate || null,
    video: videoCodec === null ? [] : [video],
    audio: audioCodec === null ? [] : [audio],
    subtitles: null,
  };
}

function videoOf(stream: Stream): Description["video"][number] {
  return {
    codec: text(stream["codec_name"]),
    profile: text(stream["profile"]),
    width: number(stream["width"]),
    height: number(stream["height"]),
    bitDepth: bitDepth(stream),
    hdr: hdrOf(stream),
    framesPerSecond: quotient(stream["avg_frame_rate"]),
  };
}

function hdrOf(stream: Stream): Description["video"][number]["hdr"] {
  const list = stream["side_data_list"];
  const kinds = Array.isArray(list) ? list.map((item) => text(record(item)["side_data_type"]) ?? "") : [];
  if (kinds.some((kind) => kind.startsWith("DOVI configuration"))) return "Dolby Vision";
  if (kinds.some((kind) => kind.includes("SMPTE2094-40"))) return "HDR10+";
  return hdrByTransfer(stream["color_transfer"]);
}

function hdrByTransfer(transfer: unknown): "HDR10" | "HLG" | null {
  if (transfer === "smpte2084") return "HDR10";
  return transfer === "arib-std-b67" ? "HLG" : null;
}

/** The raw sample's, else the digits at the end of the pixel format's name; a name without digits there is 8 bits. */
function bitDepth(stream: Stream): number | null {
  const raw = number(stream["bits_per_raw_sample"]);
  if (raw !== null && raw > 0) return raw;
  const format = text(stream["pix_fmt"]);
  if (format === null) return null;
  const digits = /(?:p|p0|gray|x2rgb|x2bgr)(9|1[0-6])(?:le|be)$/.exec(format)?.[1];
  return digits === undefined ? 8 : Number(digits);
}

function languageOf(stream: Stream): string | null {
  const language = text(record(stream["tags"])["language"]);
  return language !== null && /^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$/.test(language) ? language : null;
}

function quotient(value: unknown): number | null {
  const match = typeof value === "string" ? /^(\d+)\/(\d+)$/.exec(value) : null;
  if (match === null || Number(match[2]) === 0) return null;
  return Math.round((Number(match[1]) / Number(match[2])) * 1000) / 1000;
}

/** ffprobe writes most numbers as text, and `N/A` where there is none. */
function number(value: unknown): number | null {
  if (typeof value !== "string" && typeof value !== "number") return null;
  const found = value === "" ? Number.NaN : Number(value);
  return Number.isFinite(found) ? found : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value.slice(0, 100) : null;
}

function record(value: unknown): Stream {
  return typeof value === "object" && value !== null ? (value as Stream) : {};
}
