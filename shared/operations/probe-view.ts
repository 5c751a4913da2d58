import type { Description } from "../caches/probe/describe.ts";
import { printable } from "../printable.ts";
import { formatSeconds } from "../units.ts";

/** What a table says of a media file, in the order of {@link mediaCells}. */
export const MEDIA_COLUMNS = ["Container", "Length", "Video", "Resolution", "HDR", "Bits", "Audio"] as const;

/** The cells of one file; one that failed says why in the first of them. */
export function mediaCells(file: {
  readonly message: string | null;
  readonly rule: string | null;
  readonly media: Description | null;
}): (string | number)[] {
  const { media } = file;
  if (media === null) return [printable(`${file.rule}: ${file.message}`), ...MEDIA_COLUMNS.slice(1).map(() => "")];
  const [video] = media.video;
  const audio = media.audio.map(({ codec, channels }) => `${codec ?? "?"}${channels === null ? "" : ` ${channels}`}`);
  return [
    printable(media.container ?? ""),
    media.durationSeconds === null ? "" : formatSeconds(media.durationSeconds),
    printable(video?.codec ?? ""),
    video?.width == null || video.height === null ? "" : `${video.width}x${video.height}`,
    video?.hdr ?? "",
    video?.bitDepth ?? "",
    printable(audio.join(", ")),
  ];
}
