import { Type } from "typebox";

const Text = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

/**
 * `.mediabox_cache.json` as mediabox writes it, both entry formats. Unknown fields are allowed, as the program allows
 * them; this is for editors that help with the file, while reading it goes through `document.ts`.
 */
export const MediaboxCache = Type.Record(
  Type.String({ pattern: "^[0-9a-f]{64}$" }),
  Type.Object({
    fingerprint_hash: Type.Optional(Type.String({ pattern: "^[0-9a-f]{64}$", description: "The key again." })),
    file_path: Type.Optional(Type.String({ description: "Older format only. Never used to find the file." })),
    file_name: Type.String({ minLength: 1, description: "Name of the media file in this directory." }),
    file_size: Type.Optional(Type.Number({ minimum: 0, description: "Bytes." })),
    file_mtime: Type.Optional(Type.Number({ description: "Modification time in seconds since 1970." })),
    last_scanned: Type.Optional(Type.String({ description: "Local time without a zone." })),
    codec_video: Type.Optional(Text("Codec of the first video stream.")),
    codec_audio: Type.Optional(Text("Codec of the first audio stream.")),
    resolution: Type.Optional(Text("Width and height, 1920x1080.")),
    width: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
    height: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
    duration: Type.Optional(Type.Number({ description: "Seconds." })),
    bitrate: Type.Optional(Type.Number({ description: "Bits a second." })),
    is_hdr: Type.Optional(Type.Boolean()),
    hdr_type: Type.Optional(Text("HDR10, HLG or HDR (BT.2020).")),
    bit_depth: Type.Optional(Type.Number({ description: "8 or 10." })),
    audio_channels: Type.Optional(Type.String({ description: "Number of channels, as text." })),
    has_stereo_track: Type.Optional(Type.Boolean()),
    has_surround_track: Type.Optional(Type.Boolean()),
    action: Type.Optional(Type.String({ description: "Older format only." })),
    processing_version: Type.Optional(Type.String()),
    conversion_count: Type.Optional(Type.Number()),
    last_conversion_duration: Type.Optional(Type.Union([Type.Number(), Type.Null()], { description: "Seconds." })),
    last_processed: Type.Optional(Type.String()),
    processing_error: Type.Optional(Text("Why the last conversion failed.")),
  }),
  { description: "What mediabox knows of the media files in this directory, by fingerprint." },
);
