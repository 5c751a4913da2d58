import { createHash } from "node:crypto";
import { readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { fingerprint } from "../../shared/caches/directory/fingerprint.ts";

/*
 * Other users of a cache. `neighbour store CACHE FROM TO PAUSE_MS` stores entries for the media `box-N.mkv`
 * as mediabox does: no lock, read, add, write `<cache>.tmp`, remove the cache, rename. `neighbour watch CACHE`
 * reads without pause until its standard input ends. Both print one JSON line a store, or one at the end.
 */

const [mode = "", cache = "", ...rest] = process.argv.slice(2);

async function store(from: number, to: number, pauseMs: number): Promise<void> {
  for (let number = from; number < to; number += 1) {
    const name = `box-${number}.mkv`;
    const { size, mtimeNs } = statSync(join(cache, "..", name), { bigint: true });
    const key = fingerprint(name, size, mtimeNs);
    const base = read();
    const entries = (base === undefined ? {} : JSON.parse(base)) as Record<string, unknown>;
    entries[key] = { fingerprint_hash: key, file_name: name, file_size: Number(size) };
    const text = JSON.stringify(entries, null, 2);
    writeFileSync(`${cache}.tmp`, text);
    if (base !== undefined) unlinkSync(cache);
    renameSync(`${cache}.tmp`, cache);
    process.stdout.write(
      `${JSON.stringify({ key, base: base === undefined ? "" : sha256(base), wrote: sha256(text) })}\n`,
    );
    if (pauseMs > 0) await delay(Math.random() * 2 * pauseMs);
  }
}

async function watch(): Promise<void> {
  const seen = { reads: 0, absent: 0, torn: [] as string[] };
  process.stdin.resume();
  while (!process.stdin.readableEnded) {
    for (let turn = 0; turn < 50; turn += 1) {
      const text = read();
      seen.reads += 1;
      if (text === undefined) seen.absent += 1;
      else if (!isWhole(text)) seen.torn.push(text.slice(0, 100));
    }
    await delay(0);
  }
  process.stdout.write(`${JSON.stringify(seen)}\n`);
}

function isWhole(text: string): boolean {
  try {
    return Object.keys(JSON.parse(text) as object).length > 0;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function read(): string | undefined {
  try {
    return readFileSync(cache, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

if (mode === "store") {
  const [from = 0, to = 0, pauseMs = 0] = rest.map(Number);
  await store(from, to, pauseMs);
} else await watch();
