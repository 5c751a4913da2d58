import { CacheOpsError } from "./errors.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Bytes as a person reads them, in decimal units: `1.5 MB`. Negative values keep their sign. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${bytes < 0 ? "-" : ""}${value.toFixed(digits)} ${UNITS[unit]}`;
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** The pattern of a duration as people type it: a whole number and a unit, `90m`, `24h`, `30d`, `2w`. */
export const DURATION_PATTERN = "^[0-9]{1,6}[smhdw]$";

/** Seconds in a duration such as `30d`. Throws `invalid_input` for anything else. */
export function parseDuration(text: string): number {
  const match = /^([0-9]{1,6})([smhdw])$/.exec(text);
  const unit = match?.[2];
  if (match === null || !isUnit(unit)) {
    throw new CacheOpsError("invalid_input", `"${text}" is not a duration`, {
      hint: "Write a whole number and a unit: 90m, 24h, 30d or 2w.",
    });
  }
  return Number(match[1]) * SECONDS[unit];
}

function isUnit(unit: string | undefined): unit is keyof typeof SECONDS {
  return unit !== undefined && unit in SECONDS;
}

/** A length of time in its largest whole unit: `45s`, `12m`, `3h`, `2d`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
