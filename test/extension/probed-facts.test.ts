import { deepEqual, equal } from "node:assert/strict";

import { probedLines } from "../../extension/cache-file/probed-facts.ts";
import type { ProbedMedia } from "../../extension/protocol.ts";
import { probedMediaOf } from "../../extension/worker/probed-media.ts";

type Media = Extract<ProbedMedia, { state: "probed" }>["media"];

const NOTHING: Media = {
  container: null,
  durationSeconds: null,
  bitRate: null,
  video: [],
  audio: [],
  subtitles: 0,
};
const VIDEO: Media["video"][number] = {
  codec: "hevc",
  profile: "Main 10",
  width: 3840,
  height: 2160,
  bitDepth: 10,
  hdr: "HDR10",
  framesPerSecond: 23.976,
};
const SOUND: Media["audio"][number] = { codec: "eac3", channels: 6, layout: "5.1", language: "eng" };

describe("what ffprobe says in a hover", () => {
  it("is a line for the file, its video, its audio and its subtitles", () => {
    const media: Media = {
      ...NOTHING,
      container: "matroska,webm",
      durationSeconds: 6130.2,
      video: [VIDEO],
      audio: [SOUND, { codec: "aac", channels: 2, layout: null, language: null }],
      subtitles: 3,
    };
    deepEqual(probedLines({ state: "probed", media, bytes: 4_234_000_000 }), [
      "matroska/webm · 1 h 42 min · 4.2 GB",
      "Video: hevc · 3840x2160 · HDR10 · 10 bit · 23.976 fps",
      "Audio: eac3 5.1 eng; aac 2 ch",
      "Subtitles: 3",
    ]);
  });

  it("leaves out what the file does not say", () => {
    deepEqual(probedLines({ state: "probed", media: NOTHING, bytes: null }), []);
    const bare = {
      codec: null,
      profile: null,
      width: 1,
      height: null,
      bitDepth: null,
      hdr: null,
      framesPerSecond: null,
    };
    deepEqual(probedLines({ state: "probed", media: { ...NOTHING, video: [bare] }, bytes: 5 }), [
      "5 B",
      "Video: unknown",
    ]);
  });

  it("counts streams beyond the first ones, and keeps texts of the file on one line and short", () => {
    const audio = Array.from({ length: 100 }, () => ({ ...SOUND, codec: `x\n\u202e${"y".repeat(99)}` }));
    const [line = ""] = probedLines({ state: "probed", media: { ...NOTHING, audio }, bytes: null });
    equal(line.includes("\n") || line.includes("\u202e"), false);
    equal(line.endsWith("; 94 more"), true);
    equal(line.length < 500, true);
  });

  it("has the size that ffprobe gives as text, and none where it gives none", () => {
    const file = (format: Record<string, unknown>) =>
      probedMediaOf({ files: [{ media: NOTHING, message: null, data: { format } }], errors: [] });
    deepEqual(file({ size: "3840" }), { state: "probed", media: NOTHING, bytes: 3840 });
    deepEqual(file({ size: "N/A" }), { state: "probed", media: NOTHING, bytes: null });
    deepEqual(file({}), { state: "probed", media: NOTHING, bytes: null });
  });

  it("is why nothing is known, of a file that is no media and of one that could not be looked at", () => {
    const failed = { files: [{ media: null, message: "Invalid data" }], errors: [] };
    deepEqual(probedMediaOf(failed), { state: "failed", message: "Invalid data" });
    const errors = [{ message: "The disk reported an error." }];
    deepEqual(probedMediaOf({ files: [], errors }), { state: "failed", message: "The disk reported an error." });
  });
});
