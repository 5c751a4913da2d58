import { element, section } from "./element.ts";
import type { Dashboard } from "./figures.ts";
import { bytesText, countText, plural } from "./format.ts";

/** What everything adds up to, over the libraries that could be looked at. */
export function totalsSection({ libraries, media }: Dashboard, onCleanup: () => void): HTMLElement {
  const healthy = libraries.filter(({ state }) => state === "healthy");
  const sum = (figure: "caches" | "entries" | "stale" | "bytes") =>
    healthy.reduce((total, row) => total + row[figure], 0);
  const names = new Set(healthy.map(({ library }) => library)).size;
  const stale = sum("stale");
  const tile = (term: string, value: string, ...more: readonly (Node | false)[]) =>
    element("div", { class: "tile" }, element("dt", {}, term), element("dd", {}, value), ...more);
  const cleanup = () =>
    element(
      "dd",
      { class: "action" },
      element("button", { type: "button", id: "cleanup", "aria-describedby": "stale-figure" }, "Clean Up…"),
    );
  const action = stale > 0 && cleanup();
  if (action !== false) action.firstElementChild?.addEventListener("click", onCleanup);
  const more =
    healthy.length > names
      ? element("dd", { class: "more" }, `in ${plural(healthy.length, "directory", "directories")}`)
      : false;
  const staleTile = tile("Stale", countText(stale), action);
  staleTile.classList.toggle("stale", stale > 0);
  staleTile.querySelector("dd")?.setAttribute("id", "stale-figure");
  return section(
    "totals",
    "Totals",
    element(
      "dl",
      { class: "tiles" },
      tile("Libraries", countText(names), more),
      tile("Caches", countText(sum("caches"))),
      tile("Entries", countText(sum("entries"))),
      staleTile,
      tile("Cache size", bytesText(sum("bytes"))),
      media !== null && tile("Media size", bytesText(media.mediaBytes)),
    ),
  );
}
