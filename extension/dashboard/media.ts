import { bars } from "./bars.ts";
import { element, section } from "./element.ts";
import type { Count, MediaFigures } from "./figures.ts";
import { plural } from "./format.ts";

const REASONS: Readonly<Record<string, string>> = {
  not_mp4_container: "not in an MP4 container",
  not_h264_codec: "video is not H.264",
  not_aac_codec: "audio is not AAC",
  missing_stereo_track: "no stereo track beside the surround one",
  force_stereo_requested: "stereo was asked for",
  hdr_needs_tonemapping: "HDR needs tone mapping",
  "10bit_needs_conversion": "more than 8 bits a colour",
  resolution_downgrade_requested: "a lower resolution was asked for",
};

/** What the entries say about the media. */
export function mediaSection(media: MediaFigures): HTMLElement {
  const entries = (title: string, label: string, counts: readonly Count[]) =>
    counts.length > 0 && bars({ title, heads: [label, "Entries"], counts, total: media.files });
  return section(
    "media",
    "Media",
    element("p", { class: "quiet" }, "As the entries of the caches record it."),
    element(
      "div",
      { class: "cards" },
      entries("Video codec", "Codec", media.videoCodecs),
      entries("Audio codec", "Codec", media.audioCodecs),
      entries("Resolution", "Resolution", media.resolutions),
      media.hdrTypes.length > 0 &&
        bars({
          title: "HDR type",
          heads: ["Type", "Entries"],
          counts: media.hdrTypes,
          total: media.hdrFiles,
          note: `${plural(media.hdrFiles, "entry", "entries")} with HDR`,
        }),
      media.conversionReasons.length > 0 &&
        bars({
          title: "What mediabox would convert, and why",
          heads: ["Reason", "Entries"],
          counts: media.conversionReasons.map(({ label, count }) => ({ label: REASONS[label] ?? label, count })),
          total: media.needsConversion,
          note: `${plural(media.needsConversion, "entry", "entries")} to convert; one may have several reasons`,
        }),
    ),
    media.inheritedProbe > 0 &&
      element(
        "p",
        { class: "quiet" },
        `${plural(media.inheritedProbe, "entry still holds", "entries still hold")} the probe data of before a conversion: mediabox has not scanned the result yet.`,
      ),
  );
}

/** How old entries and how large cache files are. */
export function distributionSection(media: MediaFigures, sizes: readonly Count[], caches: number): HTMLElement {
  return section(
    "distribution",
    "Age and size",
    element(
      "div",
      { class: "cards" },
      media.ages.length > 0 &&
        bars({ title: "Entries by age", heads: ["Last written", "Entries"], counts: media.ages, total: media.files }),
      caches > 0 && bars({ title: "Cache files by size", heads: ["Size", "Files"], counts: sizes, total: caches }),
    ),
  );
}
