import { element, section, type Child } from "./element.ts";
import type { Dashboard, ProbeFigures } from "./figures.ts";
import { bytesText, countText, plural, shareText } from "./format.ts";

/** What everything adds up to, over the libraries that could be looked at. */
export function totalsSection({ libraries, media, probe }: Dashboard, onCleanup: () => void): HTMLElement {
  const healthy = libraries.filter(({ state }) => state === "healthy");
  const sum = (figure: "caches" | "entries" | "stale" | "bytes") =>
    healthy.reduce((total, row) => total + row[figure], 0);
  const names = new Set(healthy.map(({ library }) => library)).size;
  const stale = sum("stale");
  const tile = (term: string, value: string, more: Child = false, kind = "") =>
    element(
      "div",
      { class: `tile ${kind}` },
      element("dt", {}, term),
      element("dd", {}, value),
      more !== false && element("dd", { class: "more" }, more),
    );
  const cleanup = stale > 0 && element("button", { type: "button", id: "cleanup", click: onCleanup }, "Clean Up…");
  const directories = healthy.length > names && `in ${plural(healthy.length, "directory", "directories")}`;
  return section(
    "totals",
    "Totals",
    element(
      "dl",
      { class: "tiles" },
      tile("Libraries", countText(names), directories),
      tile("Caches", countText(sum("caches"))),
      tile("Entries", countText(sum("entries"))),
      tile("Stale", countText(stale), cleanup, stale > 0 ? "stale" : ""),
      tile("Cache size", bytesText(sum("bytes"))),
      media !== null && tile("Media size", bytesText(media.mediaBytes)),
      probe !== undefined && tile("Probe cache", plural(probe.entries, "result"), hitRateText(probe)),
    ),
  );
}

function hitRateText({ requests, hitRate }: ProbeFigures): string {
  if (hitRate === null) return "not asked yet";
  return `${shareText(hitRate, 1)} of ${plural(requests, "request")} answered`;
}
