import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { benchScan } from "./scan.ts";
import type { Program } from "./scene.ts";
import { table } from "./show.ts";

/** Files that one ffprobe after the other is measured with. */
const SAMPLE = 40;

/** Scans a library of so many real films: all of it, again, and with every 100th touched; beside one ffprobe at a time. */
export async function benchProbing(place: string, files: number, ffprobe: string, program?: Program): Promise<unknown> {
  const size = { files, directories: Math.ceil(files / 20), originals: Math.min(files, 60) };
  const { touched, scans } = await benchScan(place, size, { ffprobe, path: program?.path });
  const oneByOne = filesPerSecondOneByOne(join(place, "library"));
  const [first] = scans;
  const perSecond = files / (first?.seconds ?? Number.NaN);
  const rows = scans.map(({ scan, seconds, processes, written, percentOfFirst, peakMegabytes }) => [
    scan,
    seconds.toFixed(2),
    String(processes),
    String(written),
    percentOfFirst.toFixed(2),
    peakMegabytes.toFixed(0),
  ]);
  console.log(`\n### scan of ${files} films with ${ffprobe}\n`);
  console.log(table(["scan", "s", "ffprobes", "written", "% of first", "peak MB"], rows));
  console.log(
    `\nFirst scan ${perSecond.toFixed(1)} files/s; one system ffprobe at a time ${oneByOne.toFixed(1)} files/s.`,
  );
  return { size, ffprobe, touched, scans, perSecond, oneByOne, ratio: perSecond / oneByOne };
}

function filesPerSecondOneByOne(library: string): number {
  const entries = readdirSync(library, { recursive: true, withFileTypes: true });
  const films = entries.filter((entry) => entry.isFile() && !entry.name.startsWith(".")).slice(0, SAMPLE);
  const begun = performance.now();
  for (const { parentPath, name } of films) {
    const words = ["-v", "error", "-print_format", "json", "-show_format", "-show_streams", join(parentPath, name)];
    execFileSync("ffprobe", words, { stdio: "ignore" });
  }
  return films.length / ((performance.now() - begun) / 1000);
}
