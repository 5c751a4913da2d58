import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { probedFields } from "../../shared/caches/directory/probed-fields.ts";
import { isProbeData } from "../../shared/ffprobe.ts";
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
  const parity = ffprobe === "ffprobe" ? undefined : parityOf(join(place, "library"), ffprobe);
  if (parity) console.log(`${parity.same} of ${parity.films} films have the same 17 fields by both.`);
  return { size, ffprobe, touched, scans, perSecond, oneByOne, ratio: perSecond / oneByOne, parity };
}

/** Of how many films what a cache notes is the same by the system's ffprobe and by another one. */
function parityOf(library: string, ffprobe: string) {
  const films = someFilms(library);
  const fieldsBy = (program: string, path: string) => {
    const data: unknown = JSON.parse(execFileSync(program, [...WORDS, path], { encoding: "utf8", stdio: "pipe" }));
    if (!isProbeData(data)) throw new Error(`${program} does not answer as ffprobe does`);
    return JSON.stringify(probedFields(data, { isCorrected: false }));
  };
  const different = films.filter((path) => fieldsBy("ffprobe", path) !== fieldsBy(ffprobe, path));
  for (const path of different) console.log(`Differs: ${path}`);
  return { films: films.length, same: films.length - different.length };
}

const WORDS = ["-v", "error", "-print_format", "json", "-show_format", "-show_streams"];

function someFilms(library: string): string[] {
  return readdirSync(library, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .slice(0, SAMPLE)
    .map(({ parentPath, name }) => join(parentPath, name));
}

function filesPerSecondOneByOne(library: string): number {
  const films = someFilms(library);
  const begun = performance.now();
  for (const path of films) execFileSync("ffprobe", [...WORDS, path], { stdio: "ignore" });
  return films.length / ((performance.now() - begun) / 1000);
}
