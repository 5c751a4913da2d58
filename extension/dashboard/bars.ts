import { element, foreign } from "./element.ts";
import type { Count } from "./figures.ts";
import { countText, shareText } from "./format.ts";

/** What a table of bars is about. */
export interface Bars {
  readonly title: string;
  /** Head of the column with the labels, and of the one with the counts. */
  readonly heads: readonly [label: string, count: string];
  readonly counts: readonly Count[];
  /** What the shares are shares of. */
  readonly total: number;
  /** A sentence below the title. */
  readonly note?: string | undefined;
}

/** Counts as a table whose last column draws them. Bars are held against the largest, the shares say against what. */
export function bars({ title, heads, counts, total, note }: Bars): HTMLElement {
  const largest = Math.max(1, ...counts.map(({ count }) => count));
  return element(
    "div",
    { class: "card" },
    element(
      "table",
      { class: "bars" },
      element("caption", {}, element("h3", {}, title), note !== undefined && element("p", {}, note)),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, heads[0]),
          element("th", { scope: "col", class: "number" }, heads[1]),
          element("th", { scope: "col" }, "Share"),
        ),
      ),
      element(
        "tbody",
        {},
        ...counts.map(({ label, count }) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, foreign(label)),
            element("td", { class: "number" }, countText(count)),
            element("td", {}, bar(count / largest, shareText(count, total))),
          ),
        ),
      ),
    ),
  );
}

/** A bar of a share from 0 to 1, with what it says. */
export function bar(share: number, text: string): HTMLElement {
  const fill = element("span", { class: share > 0 ? "fill" : "none" });
  // Set through the object model: the page's policy allows no style attributes.
  fill.style.width = `${Math.round(Math.min(1, share) * 1000) / 10}%`;
  return element(
    "span",
    { class: "share" },
    element("span", { class: "track", "aria-hidden": "true" }, fill),
    element("span", { class: "text" }, text),
  );
}
