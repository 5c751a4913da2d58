import { bar } from "./bars.ts";
import { element, foreign, section } from "./element.ts";
import type { LibraryFigures } from "./figures.ts";
import { countText, shareText } from "./format.ts";

/** Problems that a cleanup may remove; the others are kept and reported. In the order and the words of the core. */
const STALE = ["orphaned", "superseded", "expired", "leftover"];
const MEANINGS: Readonly<Record<string, string>> = {
  orphaned: "the media is gone",
  superseded: "the media has another, current entry",
  expired: "past its age",
  leftover: "an abandoned temporary file or lock",
  changed: "the media is there, but not as it was scanned",
  drifted: "the right media under another name",
  corrupt: "cannot be read as a cache",
  oversize: "too large to be read",
  unreachable: "it could not be found out whether the media is there",
};

/** What is wrong, by problem: what a cleanup removes first, then what is kept. */
export function problemsSection(libraries: readonly LibraryFigures[]): HTMLElement {
  const counts = new Map(Object.keys(MEANINGS).map((name) => [name, 0]));
  for (const { byProblem } of libraries)
    for (const [name, count] of Object.entries(byProblem)) counts.set(name, (counts.get(name) ?? 0) + count);
  const found = [...counts].filter(([, count]) => count > 0);
  if (found.length === 0) {
    return section(
      "problems",
      "Problems",
      element("p", { class: "quiet" }, "None. Every entry belongs to media that is there."),
    );
  }
  const total = found.reduce((sum, [, count]) => sum + count, 0);
  const largest = Math.max(...found.map(([, count]) => count));
  const heads = ["Problem", "Found", "Share", "A cleanup"];
  return section(
    "problems",
    "Problems",
    element(
      "div",
      { class: "card" },
      element(
        "table",
        { class: "bars problems" },
        element("caption", { class: "hidden" }, "What is wrong, by problem"),
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            ...heads.map((head) => element("th", { scope: "col", class: head === "Found" && "number" }, head)),
          ),
        ),
        element(
          "tbody",
          {},
          ...found.map(([name, count]) =>
            element(
              "tr",
              { class: STALE.includes(name) && "stale" },
              element(
                "th",
                { scope: "row" },
                foreign(name),
                element("span", { class: "meaning" }, MEANINGS[name] ?? ""),
              ),
              element("td", { class: "number" }, countText(count)),
              element("td", {}, bar(count / largest, shareText(count, total))),
              element("td", { class: "fate" }, STALE.includes(name) ? "may remove it" : "keeps it"),
            ),
          ),
        ),
      ),
    ),
  );
}
