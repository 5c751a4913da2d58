import { ago } from "./age.ts";
import type { SurveySummary } from "./protocol.ts";
import { rootSentence } from "./root-state.ts";
import type { RunLine } from "./runs.ts";

/** What the status bar shows, as it is kept from one session to the next. */
export interface Figures {
  /** Which libraries the settings named then: figures of others say nothing here. */
  readonly about: string;
  /** When the libraries were looked at, in milliseconds since 1970. */
  readonly at: number;
  readonly libraries: readonly LibraryFigures[];
  readonly lastCleanup: LastCleanup | null;
}

export interface LibraryFigures {
  readonly name: string;
  readonly caches: number;
  readonly entries: number;
  readonly bytes: number;
  readonly stale: number;
  /** What is wrong with roots that cannot be looked at, a sentence each. */
  readonly away: readonly string[];
}

export interface LastCleanup {
  readonly at: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What a look found, by library, in the order of the configuration. */
export function librariesIn({ roots }: SurveySummary): readonly LibraryFigures[] {
  return [...Map.groupBy(roots, ({ library }) => library)].map(([name, own]) => ({
    name,
    caches: sum(own.map(({ caches }) => caches)),
    entries: sum(own.map(({ entries }) => entries)),
    bytes: sum(own.map(({ bytes }) => bytes)),
    stale: sum(own.map(({ stale }) => stale)),
    away: own.filter(({ state }) => state !== "healthy").map(rootSentence),
  }));
}

/** The newest run that removed something and was not taken back. */
export function lastCleanupIn(lines: readonly RunLine[]): LastCleanup | null {
  const line = lines.find(({ plan, undoneBy, entries }) => plan !== null && undoneBy === null && entries > 0);
  if (line === undefined) return null;
  return { at: Date.parse(line.startedAt), entries: line.entries, bytes: line.reclaimedBytes };
}

/** What stands in the status bar, and what is read aloud. */
export interface StatusText {
  readonly text: string;
  readonly label: string;
  /** Something is wrong that a person has to see to. */
  readonly isWrong: boolean;
}

/** The status bar's words. Without figures nothing was looked at yet. `isCurrent`: they are of this session. */
export function statusText(figures: Figures | undefined, isCurrent: boolean, now: number): StatusText {
  if (figures === undefined)
    return { text: "$(archive) Cache Ops", label: "Cache Ops: not looked at yet", isWrong: false };
  const { libraries, lastCleanup } = figures;
  const away = libraries.filter((library) => library.away.length > 0);
  const isWrong = isCurrent && away.length > 0;
  const stale = sum(libraries.map((library) => library.stale));
  const found = stale === 0 ? "nothing stale" : `${stale.toLocaleString()} stale`;
  const cleaned = lastCleanup === null ? "" : `cleaned ${ago(lastCleanup.at, now)}`;
  const shown = [found, cleaned].filter((part) => part !== "");
  const wrong = isWrong ? [`cannot look at ${away.map(({ name }) => name).join(", ")}`] : [];
  const when = isCurrent ? [] : [`as of ${ago(figures.at, now)}`];
  return {
    text: `$(${isWrong ? "warning" : "archive"}) ${shown.join(" · ")}`,
    label: `Cache Ops: ${[...shown, ...wrong, ...when].join(", ")}`,
    isWrong,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
