/** What {@link needsConversion} asks of an entry: the decoded scalars of its fields, by name. */
export type Fields = ReadonlyMap<string, string | number | boolean | null | undefined>;

/** What the operator wants beyond playability. */
export interface ConversionWishes {
  readonly forceStereo: boolean;
  readonly downgradeResolution: boolean;
}

/**
 * Why mediabox would convert this media, in its words and its order; empty when it would not.
 *
 * The same verdicts as the program's own `needs_conversion`, also where fields are missing or of another type, which
 * makes the program itself fail.
 */
export function needsConversion(fields: Fields, wishes: ConversionWishes): string[] {
  const name = fields.get("file_name");
  const height = fields.get("height");
  const bitDepth = fields.get("bit_depth");
  const isMp4 = typeof name === "string" && name.toLowerCase().endsWith(".mp4");
  const stereo = fields.get("has_stereo_track") === true;
  const reasons: [string, boolean][] = [
    ["not_mp4_container", !isMp4],
    ["not_h264_codec", fields.get("codec_video") !== "h264"],
    ["not_aac_codec", fields.get("codec_audio") !== "aac"],
    ["missing_stereo_track", fields.get("has_surround_track") === true && !stereo],
    ["force_stereo_requested", wishes.forceStereo],
    ["hdr_needs_tonemapping", fields.get("is_hdr") === true],
    ["10bit_needs_conversion", typeof bitDepth === "number" && bitDepth > 8],
    ["resolution_downgrade_requested", wishes.downgradeResolution && typeof height === "number" && height > 1080],
  ];
  return reasons.flatMap(([reason, applies]) => (applies ? [reason] : []));
}
