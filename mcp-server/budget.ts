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

const MAX_TEXT = 400;
const MAX_KEYS = 20;

/**
 * Cuts a result to `maxCharacters` of JSON: the rows to a page, then lists beside them, then long texts and tables.
 * Adds `total` (how many items each list holds) and `omitted` (how many of them are not in this page).
 */
export function cut(output: Readonly<Record<string, unknown>>, wish: Wish, maxCharacters: number): Page {
  let { limit } = wish;
  for (let side = 10; ; side = Math.floor(side / 2)) {
    const page = pageOf(output, wish, limit, side);
    if (JSON.stringify(page.output).length <= maxCharacters || (side === 0 && limit === 0)) return page;
    if (side === 0) limit = Math.floor(limit / 2);
  }
}

function pageOf(output: Readonly<Record<string, unknown>>, wish: Wish, limit: number, side: number): Page {
  const total: Record<string, number> = {};
  const omitted: Record<string, number> = {};
  const kept: [string, unknown][] = [];
  let next: number | undefined;
  for (const [name, value] of Object.entries(output)) {
    if (!Array.isArray(value)) {
      kept.push([name, shorten(value, side)]);
      continue;
    }
    const isRows = name === wish.rows;
    const start = isRows ? wish.offset : 0;
    const items = value.slice(start, start + (isRows ? limit : side)) as unknown[];
    if (isRows && start + items.length < value.length) next = start + items.length;
    total[name] = value.length;
    if (items.length < value.length) omitted[name] = value.length - items.length;
    kept.push([name, items.map((item) => shorten(isRows ? pick(item, wish.fields) : item, side))]);
  }
  return { output: { ...Object.fromEntries(kept), total, omitted }, next };
}

function pick(row: unknown, fields: readonly string[] | undefined): unknown {
  if (fields === undefined || !isRecord(row)) return row;
  return Object.fromEntries(Object.entries(row).filter(([name]) => fields.includes(name)));
}

/** Long texts lose their middle, tables their tail, lists inside of rows what goes beyond `side`. */
function shorten(value: unknown, side: number): unknown {
  if (typeof value === "string") {
    return value.length <= MAX_TEXT ? value : `${value.slice(0, MAX_TEXT / 2)}…${value.slice(-MAX_TEXT / 2)}`;
  }
  if (Array.isArray(value)) return value.slice(0, Math.max(1, side)).map((item) => shorten(item, side));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value);
  const most = entries.length > MAX_KEYS && isTable(value) ? Math.max(1, Math.min(MAX_KEYS, side * 2)) : entries.length;
  return Object.fromEntries(entries.slice(0, most).map(([name, item]) => [name, shorten(item, side)]));
}

/** A record of counts by name, which may have any number of names. */
function isTable(value: Readonly<Record<string, unknown>>): boolean {
  return Object.values(value).every((item) => typeof item === "number");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
