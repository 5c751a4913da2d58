import { printableJson } from "@cache-ops/shared";

/** A result cut down to what a conversation can carry, with what was left out. */
export interface Page {
  readonly output: Readonly<Record<string, unknown>>;
  /** Offset of the first row that was not returned; `undefined` at the end. */
  readonly next: number | undefined;
}

/** What the caller wants to see of a result. */
export interface Wish {
  /** The property that holds the rows. */
  readonly rows: string | undefined;
  readonly offset: number;
  readonly limit: number;
  /** Properties of each row to keep; `undefined`: all. */
  readonly fields: readonly string[] | undefined;
}

/** How much of a result is taken: rows, items of the lists beside them, characters of a text, names of a table. */
interface Size {
  readonly limit: number;
  readonly side: number;
  readonly text: number;
  readonly keys: number;
}

const WHOLE = { side: 10, text: 400, keys: 20 } as const;

/** Sizes to try, one smaller than the other: lists beside the rows go first, then rows down to one, then texts. */
function* sizes(limit: number): Generator<Size> {
  let size: Size = { limit, ...WHOLE };
  yield size;
  while (size.side > 0) yield (size = { ...size, side: Math.floor(size.side / 2) });
  while (size.limit > 1) yield (size = { ...size, limit: Math.floor(size.limit / 2) });
  while (size.keys > 1) yield (size = { ...size, text: Math.floor(size.text / 2), keys: Math.floor(size.keys / 2) });
}

/**
 * Cuts a result to `maxCharacters` of JSON: the lists beside the rows, then the rows to a page of at least one, then
 * texts and tables. Adds `total` (how many items each list or table holds) and `omitted` (how many of them are left
 * out), under dotted names for lists inside of other values; `name[]` is about the items of a list.
 */
export function cut(output: Readonly<Record<string, unknown>>, wish: Wish, maxCharacters: number): Page {
  let page: Page = { output: {}, next: undefined };
  for (const size of sizes(wish.limit)) {
    page = pageOf(output, wish, size);
    const json = JSON.stringify(page.output);
    if (json.length <= maxCharacters && printableJson(json).length <= maxCharacters) break;
  }
  return page;
}

function pageOf(output: Readonly<Record<string, unknown>>, wish: Wish, size: Size): Page {
  const counts: Counts = { total: {}, omitted: {} };
  const kept: [string, unknown][] = [];
  let next: number | undefined;
  for (const [name, value] of Object.entries(output)) {
    if (!Array.isArray(value)) {
      kept.push([name, shorten(value, { size, counts, name, isItem: false })]);
      continue;
    }
    const isRows = name === wish.rows;
    const start = isRows ? wish.offset : 0;
    const items = value.slice(start, start + (isRows ? size.limit : size.side)) as unknown[];
    if (isRows && start + items.length < value.length) next = start + items.length;
    note(counts, name, value.length, items.length);
    kept.push([
      name,
      items.map((item) => shorten(isRows ? pick(item, wish.fields) : item, { size, counts, name, isItem: true })),
    ]);
  }
  return { output: { ...Object.fromEntries(kept), ...counts }, next };
}

interface Counts {
  readonly total: Record<string, number>;
  readonly omitted: Record<string, number>;
}

function note({ total, omitted }: Counts, name: string, all: number, kept: number): void {
  total[name] = (total[name] ?? 0) + all;
  if (kept < all) omitted[name] = (omitted[name] ?? 0) + all - kept;
}

function pick(row: unknown, fields: readonly string[] | undefined): unknown {
  if (fields === undefined || !isRecord(row)) return row;
  return Object.fromEntries(Object.entries(row).filter(([name]) => fields.includes(name)));
}

interface Place {
  readonly size: Size;
  readonly counts: Counts;
  /** Dotted name of the value, or of the list that it is an item of. */
  readonly name: string;
  readonly isItem: boolean;
}

/** Long texts lose their middle, tables their tail, inner lists what goes beyond the size. */
function shorten(value: unknown, place: Place): unknown {
  const { size, counts, name, isItem } = place;
  const own = isItem ? `${name}[]` : name;
  if (typeof value === "string") return clip(value, size.text);
  if (Array.isArray(value)) {
    const items = value.slice(0, Math.max(1, size.side)) as unknown[];
    if (items.length < value.length) note(counts, own, value.length, items.length);
    return items.map((item) => shorten(item, { ...place, name: own, isItem: true }));
  }
  if (!isRecord(value)) return value;
  const entries = Object.entries(value);
  const isCut = isTable(value) || size.keys < WHOLE.keys;
  const most = isCut ? Math.max(1, Math.min(size.keys, size.side * 2)) : entries.length;
  const kept = Object.fromEntries(
    entries
      .slice(0, most)
      .map(([key, item]) => [clip(key, size.text), shorten(item, { ...place, name: `${name}.${key}`, isItem: false })]),
  );
  const length = Object.keys(kept).length;
  if (length < entries.length) note(counts, own, entries.length, length);
  return kept;
}

/** At most so many characters, the middle left out, and no half of a character: not every reader of JSON takes one. */
function clip(text: string, most: number): string {
  if (text.length <= most) return text.toWellFormed();
  const half = Math.floor(most / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`.toWellFormed();
}

/** A record of counts by name, which may have any number of names. */
function isTable(value: Readonly<Record<string, unknown>>): boolean {
  return Object.values(value).every((item) => typeof item === "number");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
