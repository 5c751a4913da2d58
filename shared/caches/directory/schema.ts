import { Type } from "typebox";

const NullableText = (description: string) => Type.Optional(Type.Union([Type.String(), Type.Null()], { description }));
const NullableNumber = (description: string) =>
  Type.Optional(Type.Union([Type.Number(), Type.Null()], { description }));

/**
 * `.mediabox_cache.json` as mediabox writes it, both entry formats. Unknown fields are allowed, as the program allows
 * them; this is for editors that help with the file, while reading it goes through `document.ts`.
 */
export const MediaboxCache = Type.Record(
  Type.String({ pattern: "^[0-9a-f]{64}$" }),
  Type.Object({
    fingerprint_hash: Type.Optional(
      Type.String({
        pattern: "^[0-9a-f]{64}$",
        description: "The key of this entry again: SHA-256 of the file's name, size and modification time.",
      }),
    ),
    file_path: Type.Optional(
      Type.String({
        description:
          "Path of the file as the scan saw it. Only the older format has it; Cache Ops never looks for media there, as the same library may be mounted elsewhere.",
      }),
    ),
    file_name: Type.String({
      minLength: 1,
      description: "Name of the media file, which lies in the same directory as this cache.",
    }),
    file_size: Type.Optional(
      Type.Number({ minimum: 0, description: "Size of the media file in bytes when it was probed." }),
    ),
    file_mtime: Type.Optional(
      Type.Number({ description: "When the media file was last modified, in seconds since 1970 (UTC)." }),
    ),
    last_scanned: Type.Optional(
      Type.String({ description: "When the file was probed: local time of the machine that did, without a zone." }),
    ),
    codec_video: NullableText(
      "Codec of the first video stream as ffprobe calls it: h264, hevc. Null: not probed, or no video.",
    ),
    codec_audio: NullableText(
      "Codec of the first audio stream as ffprobe calls it: aac, eac3. Null: not probed, or no audio.",
    ),
    resolution: NullableText("Width and height of the video: 1920x1080."),
    width: NullableNumber("Width of the video in pixels; 0 when it is not known."),
    height: NullableNumber("Height of the video in pixels; 0 when it is not known."),
    duration: Type.Optional(Type.Number({ description: "Running time in seconds; 0.0 when it is not known." })),
    bitrate: Type.Optional(Type.Number({ description: "Bits a second of the whole file; 0 when it is not known." })),
    is_hdr: Type.Optional(Type.Boolean({ description: "Whether the video has high dynamic range." })),
    hdr_type: NullableText("Kind of high dynamic range: HDR10, HLG or HDR (BT.2020). Null: none."),
    color_transfer: Type.Optional(
      Type.String({ description: "Transfer function of the video: smpte2084 means HDR10, arib-std-b67 means HLG." }),
    ),
    color_primaries: Type.Optional(Type.String({ description: "Colour primaries of the video: bt709, bt2020." })),
    color_space: Type.Optional(Type.String({ description: "Colour matrix of the video: bt709, bt2020nc." })),
    bit_depth: Type.Optional(Type.Number({ description: "Bits of each colour sample: 8 or 10." })),
    audio_channels: Type.Optional(
      Type.String({ description: 'Number of channels of the first audio stream, as text: "2", "6".' }),
    ),
    audio_layout: Type.Optional(Type.String({ description: "Layout of the first audio stream: stereo, 5.1(side)." })),
    has_stereo_track: Type.Optional(Type.Boolean({ description: "Whether any audio stream has two channels." })),
    has_surround_track: Type.Optional(
      Type.Boolean({ description: "Whether any audio stream has more than two channels." }),
    ),
    action: Type.Optional(
      Type.String({ description: "What the older mediabox meant to do with the file. Not used any more." }),
    ),
    conversion_params: Type.Optional(Type.Unknown({ description: "Not used by mediabox; always null." })),
    processing_version: Type.Optional(
      Type.String({ description: "Version of the entry's format. mediabox does not check it." }),
    ),
    conversion_count: Type.Optional(Type.Number({ description: "How often the file was converted." })),
    last_conversion_duration: NullableNumber("How long the last conversion took, in seconds."),
    last_processed: Type.Optional(
      Type.String({ description: "When the last conversion ended or failed: local time without a zone." }),
    ),
    processing_error: NullableText("Why the last conversion failed. Null: it did not."),
  }),
  { description: "What mediabox knows of the media files in this directory, by fingerprint." },
);
