import { printable } from "./printable.ts";

/** A result as people read it: the same for terminal, CSV, HTML and an agent's text. Texts are made {@link printable}. */
export interface View {
  /** One sentence: what happened or was found. */
  readonly title: string;
  /** Figures beside the title. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly table: Table;
  /** What the reader should know or do next. */
  readonly notes: readonly string[];
}

/** Rows under columns; a cell is text, or a number to be set right. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** The cells of a row. */
export type Row = readonly (string | number)[];

/** A row for each label: what is counted, the label, how many. */
export function countRows(what: string, counts: Readonly<Record<string, number>>): Row[] {
  return Object.entries(counts).map(([label, number]) => [what, printable(label), number]);
}

/** A number with its noun: `1 entry`, `3 entries`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
