import { element } from "./element.ts";

/** A column: its head, and whether it holds numbers. */
type Column = readonly [head: string, isNumber?: boolean];

/** What a table of many columns shows. The first cell of a row names it. */
export interface WideTable {
  /** Names it for who does not see where it stands. */
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly (Node | string)[])[];
}

/** A table that becomes one card a row where there is no room: the roles keep it a table for who does not see it. */
export function wideTable({ label, columns, rows }: WideTable): HTMLElement {
  const kind = (index: number) => columns[index]?.[1] === true && "number";
  const row = (cells: readonly (Node | string)[]) =>
    element(
      "tr",
      { role: "row" },
      ...cells.map((content, index) =>
        index === 0
          ? element("th", { scope: "row", role: "rowheader" }, content)
          : element("td", { role: "cell", "data-head": columns[index]?.[0], class: kind(index) }, content),
      ),
    );
  const heads = columns.map(([head], index) =>
    element("th", { scope: "col", role: "columnheader", class: kind(index) }, head),
  );
  return element(
    "table",
    { role: "table", class: "wide", "aria-label": label },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)),
    element("tbody", { role: "rowgroup" }, ...rows.map(row)),
  );
}
