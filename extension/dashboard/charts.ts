import uPlot from "uplot";

import { bytesText, countText, momentText, dayText, tickText } from "./format.ts";
import { partOf, type Span } from "./past.ts";
import type { RunFigures } from "./figures.ts";

/** A chart that is on the page. */
export interface Chart {
  /** Draws it anew: its place has another width, or the theme changed. */
  redraw(): void;
  remove(): void;
}

type Draw = (place: HTMLElement) => uPlot;

/** Puts a chart into its place and keeps it as wide as that. */
export function showChart(place: HTMLElement, draw: Draw): Chart {
  let plot = draw(place);
  const resizing = new ResizeObserver(() => {
    if (place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: plot.height });
  });
  resizing.observe(place);
  const remove = () => plot.destroy();
  return {
    redraw() {
      remove();
      plot = draw(place);
    },
    remove() {
      resizing.disconnect();
      remove();
    },
  };
}

/** What the runs freed altogether, as steps over time. */
export function freedChart(runs: readonly RunFigures[], now: number): Draw {
  const sorted = runs.filter((run) => partOf(run) !== "unmeasured").toSorted((a, b) => a.startedAt - b.startedAt);
  const times: number[] = [];
  const totals: number[] = [];
  let total = 0;
  for (const { startedAt, reclaimedBytes } of sorted) {
    total += reclaimedBytes;
    times.push(startedAt / 1000);
    totals.push(total);
  }
  const [first, last] = [times[0] ?? now / 1000, Math.max(now / 1000, times.at(-1) ?? 0)];
  const lead = Math.max(60, (last - first) * 0.02);
  return (place) => {
    const { line, fill } = colors();
    const freed = {
      label: "Freed so far",
      stroke: line,
      fill,
      width: 2,
      paths: uPlot.paths.stepped?.({ align: 1 }) ?? (() => null),
      points: { show: times.length <= 60, size: 6, fill: line },
      value: (_: uPlot, value: number | null) => (value === null ? "" : bytesText(value)),
    };
    return new uPlot(
      options(place, { moments: momentText, values: bytesText, series: [freed] }),
      [
        [first - lead, ...times, last],
        [0, ...totals, total],
      ],
      place,
    );
  };
}

/** How many runs there were in each span: all of them, and drawn over these those that stand. */
export function runsChart(spans: readonly Span[]): Draw {
  const times = spans.map(({ from }) => from / 1000);
  const all = spans.map(({ runs }) => runs.length);
  const standing = spans.map(({ runs }) => runs.filter((run) => partOf(run) === "standing").length);
  const apart = (times[1] ?? 0) - (times[0] ?? 0) || 86_400;
  return (place) => {
    const { line, muted } = colors();
    const bars = (label: string, color: string) => ({
      label,
      stroke: color,
      fill: color,
      width: 0,
      paths: uPlot.paths.bars?.({ size: [0.7, 32], align: 1 }) ?? (() => null),
      points: { show: false },
      value: (_: uPlot, value: number | null) => (value === null ? "" : countText(value)),
    });
    const series = [bars("All runs", muted), bars("Standing", line)];
    const shape = options(place, { moments: dayText, values: countText, series });
    const range = (_: uPlot, min: number, max: number): [number, number] => [min - apart * 0.2, max + apart];
    const upTo = (_: uPlot, _min: number, max: number): [number, number] => [0, Math.max(2, Math.ceil(max * 1.1))];
    return new uPlot(
      { ...shape, scales: { x: { time: true, range }, y: { range: upTo } } },
      [times, all, standing],
      place,
    );
  };
}

/** The legend names the last values while no pointer rests on others. */
function showLatest(plot: uPlot): void {
  plot.setLegend({ idx: plot.data[0].length - 1 }, false);
}

interface Shape {
  readonly moments: (time: number) => string;
  readonly values: (value: number) => string;
  readonly series: uPlot.Series[];
}

function options(place: HTMLElement, { moments, values, series }: Shape): uPlot.Options {
  const { text, grid } = colors();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 } };
  return {
    width: place.clientWidth,
    height: 200,
    padding: [12, 12, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
    legend: { live: true },
    hooks: { ready: [showLatest], setCursor: [(plot) => plot.cursor.idx == null && showLatest(plot)] },
    scales: { x: { time: true } },
    series: [
      { label: "When", value: (_, value: number | null) => (value === null ? "–" : moments(value * 1000)) },
      ...series,
    ],
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 32,
        space: 70,
        incrs: TIMES,
        values: (_, ticks, _axis, _space, apart) => ticks.map((tick) => tickText(tick * 1000, apart)),
      },
      { ...axis, size: 72, space: 40, incrs: WHOLE, values: (_, ticks) => ticks.map(values) },
    ],
  };
}

/** Distances between the marks of an axis: whole numbers, so that no half run and no half byte is named. */
const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

const [MINUTE, HOUR, DAY] = [60, 3600, 86_400];
/** Distances between moments, in seconds: none so short that two would read the same. */
const TIMES = [
  ...[1, 5, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 5, 10, 15, 30, 90, 180, 365, 730, 1825].map((days) => days * DAY),
];

function colors() {
  const style = getComputedStyle(document.body);
  const color = (name: string) => style.getPropertyValue(name).trim() || style.color;
  return {
    line: color("--chart-line"),
    fill: color("--chart-fill"),
    muted: color("--chart-muted"),
    grid: color("--chart-grid"),
    text: color("--chart-text"),
  };
}
