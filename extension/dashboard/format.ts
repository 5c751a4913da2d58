const locale = usable(document.documentElement.dataset["locale"]);

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
const small = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
const absolute = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
const dayShort = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const month = new Intl.DateTimeFormat(locale, { month: "short", year: "numeric" });
const hour = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(locale, { style: "narrow" });

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"] as const;
const bytes = BYTE_UNITS.map((unit, power) => {
  const options = { style: "unit", unit, unitDisplay: power === 0 ? "long" : "short" } as const;
  return [0, 1].map((digits) => new Intl.NumberFormat(locale, { ...options, maximumFractionDigits: digits }));
});

/** A count. */
export function countText(count: number): string {
  return whole.format(count);
}

/** A count with what is counted: `1 run`, `2 runs`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** A share of a whole. Small ones show that they are not nothing. */
export function shareText(part: number, total: number): string {
  if (total === 0) return percents.format(0);
  const share = part / total;
  if (share > 0 && share < 0.001) return `< ${small.format(0.001)}`;
  return (share > 0 && share < 0.01 ? small : percents).format(share);
}

/** Bytes in decimal units: `1.5 MB`. Negative ones keep their sign. */
export function bytesText(count: number): string {
  const power = count === 0 ? 0 : Math.min(Math.floor(Math.log10(Math.abs(count)) / 3), BYTE_UNITS.length - 1);
  const value = count / 1000 ** power;
  return bytes[power]?.[power > 0 && Math.abs(value) < 100 ? 1 : 0]?.format(value) ?? String(count);
}

/** A moment (milliseconds since 1970) in full. */
export function momentText(time: number): string {
  return absolute.format(time);
}

/** The day of a moment. */
export function dayText(time: number): string {
  return day.format(time);
}

/** A moment on the axis of a chart whose marks lie so far apart (in seconds). */
export function tickText(time: number, apartSeconds: number): string {
  if (apartSeconds < 86_400) return hour.format(time);
  return (apartSeconds < 28 * 86_400 ? dayShort : month).format(time);
}

const STEPS = [
  ["year", 31_536_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

/** How long ago a moment was: `2d ago`. */
export function agoText(time: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - time) / 1000));
  for (const [unit, length] of STEPS)
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  return "just now";
}

/** The language tag, if this browser knows it; else its own. */
function usable(tag: string | undefined): string | undefined {
  try {
    return tag === undefined ? undefined : Intl.getCanonicalLocales(tag)[0];
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
