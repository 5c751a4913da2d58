import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv } from "node:process";

import { benchScan } from "./scan.ts";

/*
 * `npm run bench [FILES]`: measures the built program on a library of so many real films (2,000), and prints a table and
 * one line of JSON. Figures of one machine, to be compared with figures of the same one.
 */

const files = Number(argv[2] ?? 2000);
const place = mkdtempSync(join(tmpdir(), "cache-ops-bench-"));
try {
  const size = { files, directories: Math.ceil(files / 20), originals: Math.min(files, 60) };
  const scan = await benchScan(place, size);
  console.table(
    scan.scans.map(({ seconds, peakMegabytes, percentOfFirst, ...rest }) => ({
      ...rest,
      seconds: seconds.toFixed(2),
      "% of first": percentOfFirst.toFixed(2),
      "peak MB": peakMegabytes.toFixed(0),
    })),
  );
  console.log(JSON.stringify({ size, ...scan }));
} finally {
  rmSync(place, { recursive: true });
}
