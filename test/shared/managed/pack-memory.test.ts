import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { makePlace } from "../../support/place.ts";
import { programOf } from "../../support/program.ts";
import { startS3 } from "./s3-server.ts";

const WORKER = programOf("shared/managed/pack-worker");
const MEGABYTE = 1024 * 1024;

/** Twice what a process without any of this work takes (150 MB); it is the same for any size. */
const MOST_BYTES = 300 * MEGABYTE;
const SIZE = 450;

async function work(...words: readonly string[]): Promise<{ readonly size: number; readonly peakBytes: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [WORKER, ...words]);
  return JSON.parse(stdout) as { size: number; peakBytes: number };
}

describe("a large directory is never in memory whole", () => {
  it("when a directory is packed into a file and unpacked again", async () => {
    const place = makePlace("large");
    mkdirSync(join(place, "films"));
    writeFileSync(join(place, "films", "film.bin"), "");
    truncateSync(join(place, "films", "film.bin"), SIZE * MEGABYTE);
    const { peakBytes } = await work("pack", join(place, "films"), join(place, "pack"), join(place, "stage"));
    assert.equal(statSync(join(place, "stage", "film.bin")).size, SIZE * MEGABYTE);
    assert.ok(peakBytes < MOST_BYTES, `${Math.round(peakBytes / MEGABYTE)} MB`);
  });

  it("when they go to object storage, in parts, and come back", async () => {
    const { settings } = await startS3();
    const { size, peakBytes } = await work("store", JSON.stringify(settings), "large", String(SIZE));
    assert.equal(size, SIZE * MEGABYTE);
    assert.ok(peakBytes < MOST_BYTES, `${Math.round(peakBytes / MEGABYTE)} MB`);
  });
});
