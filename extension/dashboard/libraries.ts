import { bar } from "./bars.ts";
import { element, foreign, section } from "./element.ts";
import type { LibraryFigures } from "./figures.ts";
import { bytesText, countText, plural, shareText } from "./format.ts";
import { wideTable } from "./wide-table.ts";

type State = LibraryFigures["state"];

const STATES: Readonly<Record<State, string>> = {
  healthy: "Healthy",
  missing: "Missing",
  empty: "Empty",
  unreadable: "Unreadable",
  not_a_directory: "Not a directory",
};
const ADVICE: Readonly<Record<Exclude<State, "healthy">, string>> = {
  missing: "it does not exist. If it is a mount, mount it.",
  empty: "it is empty. Is its disk mounted?",
  unreadable: "it cannot be read.",
  not_a_directory: "it is not a directory. Name the directory that holds the media.",
};

/** Says which libraries could not be looked at, and what that means; `undefined` when all could. */
export function notCounted(libraries: readonly LibraryFigures[]): HTMLElement | undefined {
  const lost = libraries.filter(({ state }) => state !== "healthy");
  const partly = libraries.filter(({ state, troubles }) => state === "healthy" && troubles > 0);
  if (lost.length === 0 && partly.length === 0) return undefined;
  const lines = [
    ...lost.map(({ library, directory, state, detail }) =>
      element(
        "li",
        {},
        element("strong", {}, foreign(library)),
        ": ",
        foreign(directory),
        ` – ${state === "healthy" ? "" : ADVICE[state]}${detail === "" ? "" : ` (${detail})`} None of it is counted below, and nothing there is cleaned up.`,
      ),
    ),
    ...partly.map(({ library, directory, troubles }) =>
      element(
        "li",
        {},
        element("strong", {}, foreign(library)),
        ": ",
        foreign(directory),
        ` – ${plural(troubles, "place")} in it could not be looked at. What is there is not counted.`,
      ),
    ),
  ];
  return section("incomplete", "These figures are not complete", element("ul", {}, ...lines));
}

/** The libraries with what they hold and the disks they lie on. */
export function librariesSection(libraries: readonly LibraryFigures[]): HTMLElement {
  const rows = libraries.map((row) => {
    const figures = [countText(row.caches), countText(row.entries), countText(row.stale), bytesText(row.bytes)];
    return [
      foreign(row.library),
      element("span", { class: "path" }, foreign(row.directory)),
      element("span", { class: row.state === "healthy" ? "quiet" : "bad" }, STATES[row.state]),
      ...figures.map((text) => (row.state === "healthy" ? text : "–")),
      diskOf(row),
    ];
  });
  return section(
    "libraries",
    "Libraries",
    wideTable({
      label: "Libraries and the disks they lie on",
      columns: [
        ["Library"],
        ["Directory"],
        ["State"],
        ["Caches", true],
        ["Entries", true],
        ["Stale", true],
        ["Cache size", true],
        ["Disk in use"],
      ],
      rows,
    }),
  );
}

function diskOf({ disk }: LibraryFigures): Node | string {
  if (disk === null) return "not known";
  if ("trouble" in disk) return disk.trouble;
  const used = disk.size - disk.free;
  return bar(
    used / Math.max(1, disk.size),
    `${shareText(used, disk.size)} of ${bytesText(disk.size)}, ${bytesText(disk.free)} free`,
  );
}
