import assert from "node:assert/strict";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { invoke } from "../../shared/index.ts";
import { probe } from "../../shared/operations/probe.ts";
import { stats } from "../../shared/operations/stats.ts";
import { makeContext } from "../support/context.ts";
import { writeMedia } from "../support/library.ts";
import { makeMediaAuditCache, pickleEntries } from "../support/media-audit.ts";
import { makePlace } from "../support/place.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 21, 12);

const dayOf = (daysAgo: number) => new Date(NOW - daysAgo * DAY_MS).toISOString().slice(0, 10);

describe("statistics over time", () => {
  it("tell of the central cache how it grew, how old and how large its results are, and where from", async () => {
    const place = makePlace("films");
    const program = join(place, "ffprobe");
    writeFileSync(program, `#!/bin/sh\necho '{"streams":[],"format":{}}'\n`);
    chmodSync(program, 0o755);
    let now = NOW;
    const context = makeContext({ now: () => now, config: { ffprobe: { program }, probe: { mediaAudit: [] } } });
    for (const daysAgo of [100, 40, 40, 0]) {
      now = NOW - daysAgo * DAY_MS;
      await invoke(probe, { paths: [writeMedia(place, `${daysAgo}.mkv`)] }, context);
    }
    const output = await invoke(stats, { paths: [place] }, context);
    const { growth = [], byAge, bySize, entries, bytes } = output.probe ?? {};
    assert.deepEqual(
      growth.map(({ day, entries: there, hits, probes }) => [day, there, hits, probes]),
      [
        [dayOf(100), 1, 0, 1],
        [dayOf(40), 2, 1, 1],
        [dayOf(0), 3, 0, 1],
      ],
    );
    assert.deepEqual([growth.at(-1)?.entries, growth.at(-1)?.bytes], [entries, bytes]);
    assert.deepEqual(byAge, { "under 1 day": 1, "30 to 90 days": 1, "90 to 365 days": 1 });
    assert.deepEqual(bySize, { "under 1 kB": 3 });
    const rows = stats.view(output).table.rows.filter(([what]) => String(what).startsWith("Probe cache"));
    assert.deepEqual(rows.slice(0, 5), [
      ["Probe cache by age", "under 1 day", 1],
      ["Probe cache by age", "30 to 90 days", 1],
      ["Probe cache by age", "90 to 365 days", 1],
      ["Probe cache by size", "under 1 kB", 3],
      ["Probe cache by origin", "ffprobe", 3],
    ]);
    assert.match(String(rows[6]?.[1]), new RegExp(`^${dayOf(40)}: \\d+ B, 1 hit, 1 miss, 1 probe$`));
    assert.deepEqual(
      rows.slice(5).map((row) => row[2]),
      [1, 2, 3],
    );
  });

  it("tell of media-audit's cache how what is there grew; entries without a time were always there", async () => {
    const [cache, films] = [makeMediaAuditCache(), makePlace("films")];
    const entry = (name: string, daysAgo: number) => ({
      filePath: writeMedia(films, name),
      cacheTime: NOW / 1000 - daysAgo * 86_400,
    });
    const ages = [50, 9, 9, 0, -400];
    pickleEntries(
      cache,
      ages.map((daysAgo, index) => entry(`${index}.mkv`, daysAgo)),
    );
    const context = makeContext({ now: () => NOW, config: { probe: { mediaAudit: [cache] } } });
    const output = await invoke(stats, { kind: ["probe"] }, context);
    const { growth = [], bytes } = output.mediaAudit ?? {};
    assert.deepEqual(
      growth.map(({ day, entries }) => [day, entries]),
      [
        [dayOf(50), 2],
        [dayOf(9), 4],
        [dayOf(0), 5],
      ],
    );
    assert.equal(growth.at(-1)?.bytes, bytes);
    const rows = stats.view(output).table.rows.filter(([what]) => what === "media-audit by day");
    assert.deepEqual(
      rows.map((row) => [String(row[1]).slice(0, 10), row[2]]),
      growth.map(({ day, entries }) => [day, entries]),
    );
    rmSync(join(cache, "probe"), { recursive: true });
    assert.equal((await invoke(stats, { kind: ["probe"] }, context)).mediaAudit, undefined);
  });
});
