import { Type } from "typebox";

import { gatherStatistics, Statistics } from "../caches/directory/statistics.ts";
import { managedFacts, ManagedStatistics, managedStatistics } from "../caches/managed/statistics.ts";
import {
  mediaAuditFacts,
  mediaAuditRows,
  mediaAuditStatistics,
  MediaAuditStatistics,
} from "../caches/probe/media-audit/statistics.ts";
import { probeFacts, probeRows, ProbeStatistics, tryProbeStatistics } from "../caches/probe/statistics.ts";
import { ByProblem, countByProblem, Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { countRows } from "../view.ts";
import { Kinds, Paths } from "./input.ts";
import { look } from "./look.ts";

/** Sums up what the caches hold. */
export const stats = defineOperation({
  name: "stats",
  title: "Show statistics",
  description:
    "Sums up what the caches hold: codecs, resolutions, HDR, what mediabox would convert and why, sizes, ages, hit rate.",
  effect: "read",
  input: Type.Object(
    {
      paths: Paths,
      kind: Kinds,
      forceStereo: Type.Optional(Type.Boolean({ description: "With mediabox's option for stereo." })),
      downgradeResolution: Type.Optional(
        Type.Boolean({ description: "Media above 1080 lines count as to be converted." }),
      ),
    },
    { additionalProperties: false },
  ),
  positional: "paths",
  output: Type.Object(
    {
      caches: Type.Integer({ description: "Caches of media directories." }),
      cacheBytes: Type.Integer({ description: "Size of these cache files." }),
      byProblem: ByProblem,
      ...Statistics.properties,
      errors: Type.Array(Trouble),
      probe: Type.Optional(ProbeStatistics),
      mediaAudit: Type.Optional(MediaAuditStatistics),
      managed: Type.Optional(Type.Array(ManagedStatistics, { description: "The managed caches." })),
    },
    { additionalProperties: false },
  ),
  async run({ paths, kind, forceStereo, downgradeResolution }, context) {
    const scan = await look(paths ?? [], context, kind);
    const caches = scan.caches.filter((cache) => cache.kind === "directory");
    const mediaAudit = mediaAuditStatistics(scan, context.now());
    const wishes = { forceStereo: forceStereo === true, downgradeResolution: downgradeResolution === true };
    const central = tryProbeStatistics(context);
    const managed = await managedStatistics(context);
    return {
      caches: caches.length,
      cacheBytes: caches.reduce((sum, { content }) => sum + content.size, 0),
      byProblem: countByProblem(scan.found.map(({ finding }) => finding)),
      ...(await gatherStatistics(caches, wishes, context)),
      errors: [...scan.troubles, ...central.troubles, ...managed.troubles],
      ...(central.figures === undefined ? {} : { probe: central.figures }),
      ...(mediaAudit === undefined ? {} : { mediaAudit }),
      ...(managed.figures.length === 0 ? {} : { managed: [...managed.figures] }),
    };
  },
  outcome: () => "ok",
  view: (output) => ({
    title: `${output.totalFiles} media files in ${output.caches} caches.`,
    facts: [
      ["Cache size", formatBytes(output.cacheBytes)],
      ["Media size", formatBytes(output.mediaBytes)],
      ["HDR", String(output.hdrFiles)],
      ["To convert", String(output.needsConversion)],
      ["Inherited probe data", String(output.inheritedProbe)],
      ...probeFacts(output.probe),
      ...mediaAuditFacts(output.mediaAudit),
      ...managedFacts(output.managed),
    ],
    table: {
      columns: ["What", "Value", "Number"],
      rows: [
        ...countRows("Video codec", output.byCodecVideo),
        ...countRows("Audio codec", output.byCodecAudio),
        ...countRows("Resolution", output.byResolution),
        ...countRows("HDR", output.byHdrType),
        ...countRows("To convert", output.needsConversionBy),
        ...countRows("Last written", output.byAge),
        ...countRows("Problem", output.byProblem),
        ...probeRows(output.probe),
        ...mediaAuditRows(output.mediaAudit),
      ],
    },
    notes: output.errors.map(({ path, message }) => `${printable(path)}: ${message}`),
  }),
});
