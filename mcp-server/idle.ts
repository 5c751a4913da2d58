import { readdir, readFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";

import { countInUse, type Context, type OnlyWhenIdle } from "@cache-ops/shared";

import { countStreams } from "./streams.ts";

/** Where the signs come from that this host, or what it serves, is busy. */
export interface IdleSigns {
  /** Load of the last minute for each processor core. */
  readonly load: () => number;
  /** Conversions that are going on. */
  readonly conversions: (context: Context) => Promise<number>;
  /** Streams that are being watched, or why that is not known. */
  readonly streams: (context: Context) => Promise<number | string>;
}

/** The signs of this host: its load, converters among its processes, mediabox's locks in the libraries, and streams. */
export const hostSigns: IdleSigns = {
  load: () => (loadavg()[0] ?? 0) / availableParallelism(),
  conversions: async (context) => {
    const here = await countConverters("/proc");
    return here > 0 ? here : countInUse(context);
  },
  streams: countStreams,
};

const CONVERTERS = new Set(["ffmpeg", "HandBrakeCLI"]);

/** Processes below `proc` that convert media; 0 on systems without it. */
export async function countConverters(proc: string): Promise<number> {
  let names: string[];
  try {
    names = await readdir(proc);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return 0;
    throw error;
  }
  const commands = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((name) => commandOf(join(proc, name))),
  );
  return commands.filter((command) => command !== undefined && CONVERTERS.has(command)).length;
}

async function commandOf(process: string): Promise<string | undefined> {
  try {
    return (await readFile(join(process, "comm"), "utf8")).trim();
  } catch (error) {
    // It ended meanwhile.
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ESRCH") return undefined;
    throw error;
  }
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Why a schedule has to wait, in a few words; `undefined` when everything it asks for is so. */
export async function busyWith(
  { load, conversions, streams }: OnlyWhenIdle,
  signs: IdleSigns,
  context: Context,
): Promise<string | undefined> {
  if (load !== undefined && signs.load() > load) return `load ${signs.load().toFixed(2)} a core, over ${load}`;
  if (streams !== undefined) {
    const active = await signs.streams(context);
    // What is not known is not taken for none.
    if (typeof active === "string") return active;
    if (active > streams) return `${active} active streams, over ${streams}`;
  }
  if (conversions === undefined) return undefined;
  const running = await signs.conversions(context);
  return running > conversions ? `${running} conversions, over ${conversions}` : undefined;
}
