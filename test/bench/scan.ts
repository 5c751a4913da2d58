import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { env, execPath } from "node:process";
import { json, text } from "node:stream/consumers";

import { makeMediaLibrary, type LibrarySize } from "./media-library.ts";
import { METER } from "../support/peak.ts";

/** What one scan cost, start and end of its process included. */
interface ScanFigures {
  readonly scan: "first" | "again, nothing changed" | "again, 1 % touched";
  readonly seconds: number;
  /** Runs of ffprobe, counted by a program in its place, and as the scan says. */
  readonly processes: number;
  readonly probed: number;
  readonly media: number;
  readonly written: number;
  readonly peakMegabytes: number;
  /** Of the first scan, in percent. */
  readonly percentOfFirst: number;
}

/** The figures of three scans, and how many files were touched before the last one. */
interface ScanBench {
  readonly touched: number;
  readonly scans: readonly ScanFigures[];
}

const BIN = new URL("../../cli/bin/cache-ops.js", import.meta.url).pathname;

/** With what to scan: which build, and the program that looks into the media. */
interface Tools {
  readonly path?: string | undefined;
  readonly ffprobe?: string;
}

/** Scans a library of its own below `place` with the built program: all of it, again, and with every 100th file touched. */
export async function benchScan(
  place: string,
  size: LibrarySize,
  { path = BIN, ffprobe = "ffprobe" }: Tools = {},
): Promise<ScanBench> {
  const media = makeMediaLibrary(place, size);
  const calls = join(place, "calls");
  const program = join(place, "ffprobe");
  writeFileSync(program, `#!/bin/sh\necho >> '${calls}'\nexec '${ffprobe}' "$@"\n`);
  chmodSync(program, 0o755);
  const config = join(place, "config.json");
  writeFileSync(config, JSON.stringify({ ffprobe: { program } }));
  const environment = { ...env, CACHE_OPS_CONFIG: config, CACHE_OPS_STATE_DIR: join(place, "state") };
  const scans: ScanFigures[] = [];
  const measure = async (scan: ScanFigures["scan"]) => {
    writeFileSync(calls, "");
    const { seconds, peakMegabytes, result } = await scanOnce(path, join(place, "library"), environment);
    const processes = readFileSync(calls, "utf8").length;
    const percentOfFirst = (100 * seconds) / (scans[0]?.seconds ?? seconds);
    scans.push({ scan, seconds, processes, ...result, peakMegabytes, percentOfFirst });
  };
  await measure("first");
  await measure("again, nothing changed");
  const touched = media.filter((_, index) => index % 100 === 0);
  for (const path of touched) utimesSync(path, 1_700_000_000, 1_700_000_000);
  await measure("again, 1 % touched");
  return { touched: touched.length, scans };
}

async function scanOnce(program: string, library: string, environment: NodeJS.ProcessEnv) {
  const begun = performance.now();
  const child = spawn(execPath, ["--import", METER, program, "scan", library, "--json"], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  const [output, notes, [code]] = await Promise.all([json(child.stdout), text(child.stderr), ended]);
  const seconds = (performance.now() - begun) / 1000;
  if (code !== 0) throw new Error(`the scan ended with ${code}: ${notes}`);
  const { probed, media, written } = output as Pick<ScanFigures, "probed" | "media" | "written">;
  return { seconds, peakMegabytes: Number(/PEAK (\d+)/.exec(notes)?.[1]) / 1024, result: { probed, media, written } };
}
