import { formatBytes } from "@cache-ops/shared/units";

import type { ProbedMedia } from "../protocol.ts";
import { clipped, durationText } from "./facts.ts";

type Media = Extract<ProbedMedia, { state: "probed" }>;

/**
 * What ffprobe says of a media file, in a line each for the file, its video and its audio streams; what it does not
 * say is left out. Texts of the file are printable and cut.
 */
export function probedLines({ media, bytes }: Media): string[] {
  const { container, durationSeconds, video, audio, subtitles } = media;
  const isThere = (fact: string | undefined) => fact !== undefined;
  const file = [
    // ffprobe names all relatives of a container: `mov,mp4,m4a,3gp`.
    container === null ? undefined : clipped(container.replaceAll(",", "/"), 40),
    durationText(durationSeconds ?? undefined),
    bytes === null ? undefined : formatBytes(bytes),
  ].filter(isThere);
  const sounds = audio.slice(0, MOST_STREAMS).map(audioText);
  const more = audio.length - sounds.length;
  return [
    file.join(" · "),
    ...video.slice(0, MOST_STREAMS).map((stream) => `Video: ${videoText(stream)}`),
    sounds.length === 0 ? "" : `Audio: ${[...sounds, ...(more > 0 ? [`${more} more`] : [])].join("; ")}`,
    subtitles === null || subtitles === 0 ? "" : `Subtitles: ${subtitles}`,
  ].filter((line) => line !== "");
}

/** More streams of a kind are only counted. */
const MOST_STREAMS = 6;

function videoText({ codec, width, height, hdr, bitDepth, framesPerSecond }: Media["media"]["video"][number]): string {
  return [
    clipped(codec ?? "unknown", 40),
    width === null || height === null ? undefined : `${width}x${height}`,
    hdr ?? undefined,
    bitDepth === null ? undefined : `${bitDepth} bit`,
    framesPerSecond === null ? undefined : `${framesPerSecond} fps`,
  ]
    .filter((fact) => fact !== undefined)
    .join(" · ");
}

function audioText({ codec, channels, layout, language }: Media["media"]["audio"][number]): string {
  const width = layout ?? (channels === null ? undefined : `${channels} ch`);
  const facts = [codec ?? "unknown", width, language ?? undefined].filter((fact) => fact !== undefined);
  return facts.map((fact) => clipped(fact, 40)).join(" ");
}
