import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";

import { fingerprint, pythonFloat, pythonMtime, sameMomentAt } from "../../shared/caches/directory/fingerprint.ts";
import { FIXTURES, fixtureJson } from "../support/library.ts";

interface Vector {
  readonly name: string;
  readonly size: number;
  readonly mtime_ns: string;
  readonly py_mtime: string;
  readonly sha256: string;
}

describe("fingerprint", () => {
  const vectors = JSON.parse(readFileSync(join(FIXTURES, "fingerprint-vectors.json"), "utf8")) as Vector[];
  for (const { name, size, mtime_ns, py_mtime, sha256 } of vectors) {
    it(`is mediabox's own for ${JSON.stringify(name)} at ${mtime_ns}`, () => {
      assert.equal(pythonFloat(pythonMtime(BigInt(mtime_ns))), py_mtime);
      assert.equal(fingerprint(name, BigInt(size), BigInt(mtime_ns)), sha256);
    });
  }

  it("is the real program's for every media file of the fixture", () => {
    const { media } = fixtureJson("library.manifest.json") as {
      media: { path: string; size: number; mtime_ns: string; hash?: string }[];
    };
    assert.ok(media.length > 40);
    for (const { path, size, mtime_ns, hash } of media) {
      // A link that leads nowhere has no status and so no fingerprint.
      if (hash === undefined) continue;
      assert.equal(fingerprint(path.slice(path.lastIndexOf("/") + 1), BigInt(size), BigInt(mtime_ns)), hash, path);
    }
  });

  it("agrees with an independent rendering over 100,000 random nanosecond times", () => {
    const nanoseconds = fc.bigInt({ min: -(2n ** 61n), max: 2n ** 62n });
    const property = fc.property(nanoseconds, (ns) => {
      assert.equal(pythonFloat(pythonMtime(ns)), independentFloat(ns));
      const hashed = createHash("sha256")
        .update(`a|1|${independentFloat(ns)}`)
        .digest("hex");
      assert.equal(fingerprint("a", 1n, ns), hashed);
    });
    fc.assert(property, { numRuns: 100_000 });
  });
});

/**
 * Another way to Python's text, by exact integers: the double as mantissa × 2^exponent, and the shortest decimal that
 * lies within half a step of it, the nearest of those, the even one of two equally near.
 */
function independentFloat(ns: bigint): string {
  const second = 1_000_000_000n;
  const nsec = BigInt.asUintN(64, ((ns % second) + second) % second);
  const value = Number((ns - nsec) / second) + Number(nsec) * 1e-9;
  if (value === 0) return "0.0";
  for (let digits = 1; ; digits += 1) {
    const text = nearestDecimal(Math.abs(value), digits);
    if (Number(text) !== Math.abs(value)) continue;
    const [mantissa = "", exponent = "0"] = text.split("e");
    return (value < 0 ? "-" : "") + layOut(mantissa, Number(exponent));
  }
}

/** The decimal of so many digits nearest to a positive double, ties to even, as `d.ddde±x`. */
function nearestDecimal(value: number, digits: number): string {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const raw = bits.getBigUint64(0);
  const power = Number(raw >> 52n) - 1075;
  const numerator = ((raw & ((1n << 52n) - 1n)) | (1n << 52n)) * (power > 0 ? 1n << BigInt(power) : 1n);
  const denominator = power < 0 ? 1n << BigInt(-power) : 1n;
  let exponent = Math.floor(Math.log10(value));
  for (;;) {
    const scale = digits - 1 - exponent;
    const n = numerator * (scale > 0 ? 10n ** BigInt(scale) : 1n);
    const d = denominator * (scale < 0 ? 10n ** BigInt(-scale) : 1n);
    let rounded = n / d;
    const twice = 2n * (n % d);
    if (twice > d || (twice === d && rounded % 2n === 1n)) rounded += 1n;
    const text = String(rounded);
    if (text.length === digits) return `${text[0]}.${text.slice(1)}e${exponent}`;
    exponent += text.length > digits ? 1 : -1;
  }
}

function layOut(mantissa: string, exponent: number): string {
  const digits = mantissa.replace(".", "");
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${digits[0]}${fraction}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
  return `${digits.slice(0, exponent + 1).padEnd(exponent + 1, "0")}.${digits.slice(exponent + 1) || "0"}`;
}

describe("sameMomentAt", () => {
  it("takes a time cut to a mount's granularity for the same moment", () => {
    const exact = 1_503_542_933_123_456_789n;
    for (const [recorded, step] of [
      [1503542933.1234567, 1_000n],
      [1503542933.123, 1_000_000n],
      [1503542933, 1_000_000_000n],
      [1503542932, 2_000_000_000n],
    ] as const) {
      assert.equal(sameMomentAt(recorded, exact), step, String(recorded));
    }
  });

  it("takes a file that was written a little later for changed", () => {
    const exact = 1_503_542_933_123_456_789n;
    for (const recorded of [1503542932.1234567, 1503542933.124, 1503542934, 1503542935.1234567, NaN, Infinity]) {
      assert.equal(sameMomentAt(recorded, exact), undefined, String(recorded));
    }
  });
});
