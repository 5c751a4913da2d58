import { hash } from "node:crypto";

/**
 * The fingerprint mediabox gives a media file: SHA-256 (64 hex digits) of `name|size|mtime`, the modification time
 * written as Python writes a float. Bit for bit the program's own, so its entries are found by it.
 *
 * `name` is the raw base name (never normalised), `size` bytes, `mtimeNs` nanoseconds since 1970.
 */
export function fingerprint(name: string, size: bigint, mtimeNs: bigint): string {
  return hash("sha256", `${name}|${size}|${pythonFloat(pythonMtime(mtimeNs))}`, "hex");
}

/** {@link fingerprint} of what an entry records: `size` in bytes, `mtime` in seconds since 1970. */
export function recordedFingerprint(name: string, size: number, mtime: number): string {
  return hash("sha256", `${name}|${size}|${pythonFloat(mtime)}`, "hex");
}

const NS_PER_SECOND = 1_000_000_000n;

/** `os.stat().st_mtime` of CPython: whole seconds (floored) plus nanoseconds, added as doubles. */
export function pythonMtime(mtimeNs: bigint): number {
  const nanoseconds = Number(mtimeNs % NS_PER_SECOND);
  const seconds = Number(mtimeNs / NS_PER_SECOND);
  return nanoseconds < 0 ? seconds - 1 + 1e-9 * (nanoseconds + 1e9) : seconds + 1e-9 * nanoseconds;
}

/**
 * `repr(float)` of CPython: the shortest digits that read back as the same double, which JavaScript prints too,
 * but with exponents below 1e-4 and from 1e16 on, at least two exponent digits, and `.0` on whole numbers.
 */
export function pythonFloat(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e16) return Number.isInteger(value) ? `${value}.0` : String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** Steps, in nanoseconds, to which mounts are known to cut modification times: 1 ms, 1 s, 2 s. */
const MOUNT_STEPS_NS = [1_000_000n, NS_PER_SECOND, 2n * NS_PER_SECOND] as const;
const MICROSECOND_NS = 1_000n;

/**
 * The mount granularity, in nanoseconds, at which a recorded time and a file's time are one moment of which one was
 * cut; `undefined` when they are different moments. `recorded` is seconds, as the cache stores them.
 *
 * A double holds the seconds of our century to about 240 ns, so cuts to 100 ns and 1 µs are one case.
 */
export function sameMomentAt(recorded: number, mtimeNs: bigint): bigint | undefined {
  if (!Number.isFinite(recorded * 1e6)) return undefined;
  const recordedNs = BigInt(Math.round(recorded * 1e6)) * MICROSECOND_NS;
  const difference = recordedNs > mtimeNs ? recordedNs - mtimeNs : mtimeNs - recordedNs;
  if (difference <= MICROSECOND_NS) return MICROSECOND_NS;
  return MOUNT_STEPS_NS.find((step) => {
    const cut = floorTo(mtimeNs, step);
    if (recordedNs === cut) return true;
    // As a double, a moment just before a step may be recorded as one just behind it.
    const moments = [recordedNs, recordedNs - MICROSECOND_NS];
    return mtimeNs - cut < MICROSECOND_NS && moments.some((moment) => floorTo(moment, step) === cut);
  });
}

function floorTo(value: bigint, step: bigint): bigint {
  return value - (((value % step) + step) % step);
}
