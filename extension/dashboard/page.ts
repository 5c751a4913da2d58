import { freedChart, runsChart, showChart, type Chart } from "./charts.ts";
import { element, section } from "./element.ts";
import type { Dashboard } from "./figures.ts";
import { librariesSection, notCounted } from "./libraries.ts";
import { managedSection } from "./managed.ts";
import { distributionSection, mediaSection } from "./media.ts";
import type { FromPage, ToPage } from "./messages.ts";
import { moment, updateMoments } from "./moment.ts";
import { spansOf } from "./past.ts";
import { problemsSection } from "./problems.ts";
import { RUNS_A_PRESS, runsSection } from "./runs.ts";
import { totalsSection } from "./totals.ts";

/** What outlives the page: the editor throws it away while it is hidden. */
interface State {
  readonly dashboard?: Dashboard;
  readonly scrollY: number;
  readonly shownRuns: number;
  readonly open: readonly string[];
}

interface Host {
  postMessage(message: FromPage): void;
  getState(): State | undefined;
  setState(state: State): void;
}

declare function acquireVsCodeApi(): Host;

const host = acquireVsCodeApi();
let state: State = host.getState() ?? { scrollY: 0, shownRuns: RUNS_A_PRESS, open: [] };
let charts: readonly Chart[] = [];

const content = byId("content");
const status = byId("status");
const refresh = byId("refresh");
const working = byId("working");
const progress = byId("progress");

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`there is no #${id}`);
  return found;
}

function keep(change: Partial<State>): void {
  state = { ...state, ...change };
  host.setState(state);
}

/** Draws everything anew; focus, open parts and the place on the page stay. */
function render(): void {
  const { dashboard, open } = state;
  if (dashboard === undefined) return;
  const focused = document.activeElement?.id ?? "";
  const { scrollY } = window;
  for (const chart of charts) chart.remove();
  content.replaceChildren(...sectionsOf(dashboard));
  for (const part of content.querySelectorAll("details")) {
    part.open = open.includes(part.id);
    part.addEventListener("toggle", () => {
      const others = state.open.filter((id) => id !== part.id);
      keep({ open: part.open ? [...others, part.id] : others });
    });
  }
  charts = drawCharts(dashboard);
  byId("looked").replaceChildren("Looked at the libraries ", moment(dashboard.at));
  window.scrollTo(0, scrollY);
  if (focused !== "" && document.activeElement?.id !== focused) {
    const again = document.getElementById(focused) ?? document.getElementById(homeOf(focused));
    again?.focus({ preventScroll: true });
  }
}

/** The heading of the section where a button was that is there no more. */
function homeOf(id: string): string {
  return id.startsWith("undo-") || id === "more-runs" ? "runs-title" : "totals-title";
}

function sectionsOf(dashboard: Dashboard): HTMLElement[] {
  const { libraries, media, cacheSizes } = dashboard;
  const healthy = libraries.filter((row) => row.state === "healthy");
  const caches = healthy.reduce((sum, row) => sum + row.caches, 0);
  const runs = runsSection(dashboard, {
    shownRuns: state.shownRuns,
    now: Date.now(),
    onUndo: (run) => host.postMessage({ type: "undo", run }),
    onMore: () => {
      keep({ shownRuns: state.shownRuns + RUNS_A_PRESS });
      render();
    },
  });
  const managed = dashboard.managed === undefined ? [] : [managedSection(dashboard.managed)];
  if (libraries.length === 0) return [welcome(), ...managed, ...(dashboard.runs.length > 0 ? [runs] : [])];
  const incomplete = notCounted(libraries);
  return [
    ...(incomplete === undefined ? [] : [incomplete]),
    ...(healthy.length === 0
      ? []
      : [totalsSection(dashboard, () => host.postMessage({ type: "cleanup" })), problemsSection(healthy)]),
    librariesSection(libraries),
    ...managed,
    runs,
    ...(media === null || media.files === 0
      ? []
      : [mediaSection(media), distributionSection(media, cacheSizes, caches)]),
  ];
}

function welcome(): HTMLElement {
  const configure = () => host.postMessage({ type: "configure" });
  return section(
    "totals",
    "No library yet",
    element("p", {}, "Name a media directory to begin. Nothing is changed before you approve a plan."),
    element("button", { type: "button", id: "configure", click: configure }, "Configure Library…"),
  );
}

function drawCharts({ runs }: Dashboard): Chart[] {
  if (runs.length === 0) return [];
  const now = Date.now();
  return [
    showChart(byId("freed-chart"), freedChart(runs, now)),
    showChart(byId("frequency-chart"), runsChart(spansOf(runs, now).spans)),
  ];
}

function setWorking(isWorking: boolean): void {
  working.classList.toggle("idle", !isWorking);
  if (!isWorking) progress.textContent = "";
  content.setAttribute("aria-busy", String(isWorking));
  // Not disabled: that would take the focus away.
  refresh.setAttribute("aria-disabled", String(isWorking));
}

function hear(message: ToPage): void {
  switch (message.type) {
    case "working":
      if (refresh.getAttribute("aria-disabled") !== "true") status.replaceChildren("Looking…");
      progress.textContent = message.text;
      setWorking(true);
      return;
    case "figures":
      setWorking(false);
      status.classList.remove("bad");
      status.replaceChildren("Up to date.");
      keep({ dashboard: message.dashboard });
      render();
      return;
    case "failed": {
      setWorking(false);
      status.classList.add("bad");
      const words = [state.dashboard === undefined ? "" : "This is not up to date: ", message.message];
      const log = element(
        "button",
        { type: "button", id: "log", class: "link", click: () => host.postMessage({ type: "log" }) },
        "Show Log",
      );
      status.replaceChildren(words.join(""), ". ", message.hint ?? "", " ", log);
    }
  }
}

window.addEventListener("message", ({ data }: MessageEvent<ToPage>) => hear(data));
window.addEventListener("scrollend", () => keep({ scrollY: window.scrollY }));
refresh.addEventListener("click", () => {
  if (refresh.getAttribute("aria-disabled") !== "true") host.postMessage({ type: "refresh" });
});
// Themes change the body's class, the root's variables, or both.
const themes = new MutationObserver(() => {
  for (const chart of charts) chart.redraw();
});
themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
themes.observe(document.documentElement, { attributes: true, attributeFilter: ["style"] });
setInterval(updateMoments, 60_000);

const { scrollY } = state;
render();
window.scrollTo(0, scrollY);
host.postMessage({ type: "ready", hasFigures: state.dashboard !== undefined });
