import { element, section } from "./element.ts";
import type { Dashboard, RunFigures } from "./figures.ts";
import { bytesText, countText, dayText, momentText, plural } from "./format.ts";
import { moment } from "./moment.ts";
import { wideTable } from "./wide-table.ts";
import { partOf, pastOf, spansOf, type Span } from "./past.ts";

/** How many more runs a press of the button shows. */
export const RUNS_A_PRESS = 10;

/** What the section of runs needs beside the figures. */
export interface RunsView {
  readonly shownRuns: number;
  readonly now: number;
  readonly onUndo: (run: string) => void;
  readonly onMore: () => void;
}

/** The history: what it adds up to, places for two charts with their figures as a table, and the newest runs. */
export function runsSection({ runs, hasOlderRuns }: Dashboard, view: RunsView): HTMLElement {
  if (runs.length === 0) {
    const text = "Nothing was done yet. Every cleanup appears here and can be undone.";
    return section("runs", "Runs", element("p", { class: "quiet" }, text));
  }
  const { days, spans } = spansOf(runs, view.now);
  return section(
    "runs",
    "Runs",
    element("p", {}, summary(runs, hasOlderRuns)),
    element(
      "div",
      { class: "charts" },
      chart("freed", "Space freed so far", `${summary(runs, hasOlderRuns)} The figures follow as a table.`),
      chart("frequency", `Runs per ${spanName(days)}`, "How many runs there were. The figures follow as a table."),
    ),
    element(
      "details",
      { id: "figures" },
      element("summary", {}, "The charts as a table"),
      spansTable(
        spans.filter((span) => span.runs.length > 0),
        days,
      ),
    ),
    element("h3", {}, "Newest runs"),
    runsTable(runs, view),
    runs.length > view.shownRuns &&
      element(
        "p",
        {},
        element(
          "button",
          { type: "button", id: "more-runs", class: "secondary", click: view.onMore },
          "Show More Runs",
        ),
        ` ${countText(view.shownRuns)} of ${countText(runs.length)} shown`,
      ),
  );
}

function summary(runs: readonly RunFigures[], hasOlderRuns: boolean): string {
  const { standing, undone, undos, running, interrupted, freedBytes, putBackBytes, netBytes } = pastOf(runs);
  const back =
    undos === 0
      ? "."
      : `: ${bytesText(freedBytes)} were freed, and ${bytesText(putBackBytes)} put back by ${plural(undos, "undo", "undos")}.`;
  return [
    hasOlderRuns ? `The newest ${plural(runs.length, "run")}; older ones are not counted.` : "",
    `${plural(standing, "run")} ${standing === 1 ? "stands" : "stand"}, ${countText(undone)} ${undone === 1 ? "was" : "were"} undone.`,
    `Altogether ${bytesText(netBytes)} freed${back}`,
    running > 0 ? `${plural(running, "run")} at work.` : "",
    interrupted > 0 ? `${plural(interrupted, "run")} did not come to an end: what was freed then is not known.` : "",
  ]
    .filter((sentence) => sentence !== "")
    .join(" ");
}

function chart(id: string, title: string, text: string): HTMLElement {
  const caption = element("figcaption", { id: `${id}-title` }, element("h3", {}, title));
  return element(
    "figure",
    { class: "card" },
    caption,
    element("div", { id: `${id}-chart`, class: "chart", role: "img", "aria-label": `${title}. ${text}` }),
  );
}

function spanName(days: number): string {
  if (days === 1) return "day";
  return days === 7 ? "week" : `${days} days`;
}

function spansTable(spans: readonly Span[], days: number): HTMLElement {
  return wideTable({
    label: "Runs and what they freed, over time",
    columns: [
      [days === 1 ? "Day" : `${days} days from`],
      ["Runs", true],
      ["Undone", true],
      ["Undos", true],
      ["Freed", true],
      ["Freed so far", true],
    ],
    rows: spans.map(({ from, runs, netBytes }) => {
      const { undone, undos, netBytes: freed } = pastOf(runs);
      const counts = [runs.length, undone, undos].map(countText);
      return [dayText(from), ...counts, freedText(freed), bytesText(netBytes)];
    }),
  });
}

function runsTable(runs: readonly RunFigures[], { shownRuns, onUndo }: RunsView): HTMLElement {
  const known = new Map(runs.map((run) => [run.run, run]));
  return wideTable({
    label: "The newest runs",
    columns: [["When"], ["What"], ["Entries", true], ["Caches", true], ["Freed", true], ["Undo"]],
    rows: runs.slice(0, shownRuns).map((run) => {
      const isMeasured = partOf(run) !== "unmeasured";
      const figures = [countText(run.entries), countText(run.caches), freedText(run.reclaimedBytes)];
      return [
        moment(run.startedAt),
        whatOf(run),
        ...figures.map((text) => (isMeasured ? text : "–")),
        undoOf(run, known, onUndo),
      ];
    }),
  });
}

function whatOf({ undoes, status }: RunFigures): string {
  const what = undoes === null ? "Run" : "Undo";
  return status === "complete" ? what : `${what}, ${status}`;
}

function freedText(bytes: number): string {
  return bytes < 0 ? `${bytesText(-bytes)} put back` : bytesText(bytes);
}

function undoOf(run: RunFigures, known: ReadonlyMap<string, RunFigures>, onUndo: (run: string) => void): Node | string {
  if (run.undoneBy !== null) {
    const status = known.get(run.undoneBy)?.status ?? "complete";
    return status === "complete" ? "undone" : `undone, ${status}`;
  }
  if (!run.canUndo || run.status === "running") return run.undoes === null ? "not possible" : "–";
  const label = `Undo the run of ${momentText(run.startedAt)}`;
  const press = () => onUndo(run.run);
  return element(
    "button",
    { type: "button", id: `undo-${run.run}`, class: "secondary", "aria-label": label, click: press },
    "Undo",
  );
}
