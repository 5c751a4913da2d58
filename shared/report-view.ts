import { Type, type Static } from "typebox";

import type { Outcome } from "./operation.ts";
import { printable } from "./printable.ts";
import { Report } from "./report.ts";
import { formatBytes } from "./units.ts";
import { count, type View } from "./view.ts";

/** A report as operations return it: without the single outcomes unless they were asked for. */
export const ReportSummary = Type.Object(
  { ...Report.properties, outcomes: Type.Optional(Report.properties.outcomes) },
  { additionalProperties: false },
);
export type ReportSummary = Static<typeof ReportSummary>;

/** Leaves the single outcomes out unless detail is full. */
export function reportSummary(report: Report, detail: "concise" | "full" | undefined): ReportSummary {
  const { outcomes, ...summary } = report;
  return detail === "full" ? { ...summary, outcomes } : summary;
}

/** How a run is to be taken: refused throughout for one cause is that cause. */
export function reportOutcome({ status, refused }: Pick<ReportSummary, "status" | "refused">): Outcome {
  if (status === "complete") return "ok";
  if (status === "cancelled") return "interrupted";
  if (status === "partial") return "partial";
  return CODES.find((code) => code === refused[0]?.code) ?? "stale_plan";
}

const CODES = ["blocked", "stale_plan", "locked", "forbidden", "unavailable", "corrupt", "not_found"] as const;

/** A report for a reader. */
export function reportView(report: ReportSummary): View {
  const { run, status, entries, caches, reclaimedBytes, predicted, refused, notTried, undoUntil, undoes } = report;
  const verb = undoes === null ? "changed" : "restored";
  const { quarantinedBytes = 0 } = report;
  const away = quarantinedBytes > 0 ? `${formatBytes(quarantinedBytes)} in the quarantine, ` : "";
  const size = reclaimedBytes < 0 ? `${formatBytes(-reclaimedBytes)} put back` : `${formatBytes(reclaimedBytes)} freed`;
  const titles = {
    complete: `Done and verified: ${count(entries, "entry", "entries")} ${verb} in ${count(caches, "cache")}, ${away}${size}.`,
    partial: `PARTIAL: ${count(entries, "entry", "entries")} ${verb}, ${refused.length} refused or done only in part.`,
    refused: "REFUSED: nothing was changed.",
    cancelled: `CANCELLED: ${count(entries, "entry", "entries")} ${verb}, ${count(notTried, "file")} not tried.`,
  };
  const agrees = predicted.entries === entries && predicted.bytes === reclaimedBytes;
  return {
    title: predicted.entries === 0 ? "There was nothing to do." : titles[status],
    facts: [
      ["Run", run],
      ["Caches", String(caches)],
      ["Entries", String(entries)],
      ...(agrees ? [] : [["Planned", `${predicted.entries} entries, ${formatBytes(predicted.bytes)}`] as const]),
    ],
    table: {
      columns: ["Outcome", "Does", "Media", "Cache", "Why"],
      rows: (report.outcomes ?? []).map(({ change, outcome, message }) => [
        outcome,
        change.does,
        printable(change.name ?? "(the file itself)"),
        printable(change.cache),
        printable(message ?? `${change.problem}: ${change.reason.rule}`),
      ]),
    },
    notes: [
      ...refused.map(({ file, message }) => printable(message.startsWith(file) ? message : `${file}: ${message}`)),
      ...(undoUntil === null ? [] : [`\`cache-ops undo ${run}\` takes it back, until ${undoUntil}.`]),
    ],
  };
}
