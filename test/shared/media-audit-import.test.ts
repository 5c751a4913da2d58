import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { openProbeCache } from "../../shared/caches/probe/open.ts";
import { invoke, type Context } from "../../shared/index.ts";
import { importOperation } from "../../shared/operations/import.ts";
import { probe } from "../../shared/operations/probe.ts";
import { stats } from "../../shared/operations/stats.ts";
import { makeContext } from "../support/context.ts";
import { writeMedia } from "../support/library.ts";
import { makeMediaAuditCache, PROBE_DATA, pickleEntries, writeScanEntry } from "../support/media-audit.ts";
import { makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

/** A context in which ffprobe cannot be started, so that whoever has a result did not probe. */
function contextFor(cache: string, library: string): Context {
  return makeContext({
    config: {
      libraries: [{ name: "films", roots: [library] }],
      probe: { mediaAudit: [cache] },
      ffprobe: { program: join(library, "no-such-ffprobe") },
    },
  });
}

/** Imports from media-audit's cache alone. */
async function take(context: Context) {
  const { origins, errors } = await invoke(importOperation, { kind: ["probe"] }, context);
  const [figures] = origins;
  assert.ok(figures !== undefined && origins.length === 1);
  return { ...figures, errors };
}

describe("an import of media-audit's results", () => {
  it("brings those that still hold into the central cache with the age they have, without probing", async () => {
    const [library, cache] = [makePlace("library"), makeMediaAuditCache()];
    const paths = ["a.mkv", "b.mkv", "changed.mkv"].map((name) => writeMedia(join(library, "x"), name));
    const [a = "", b = "", changed = ""] = paths;
    pickleEntries(cache, [
      { filePath: a, cacheTime: 1_700_000_123.5 },
      { filePath: b },
      { filePath: changed, size: 99 },
    ]);
    const before = [treeState(cache), treeState(library)];
    const context = contextFor(cache, library);
    const first = await take(context);
    const counts = { entries: 3, imported: 2, alreadyThere: 0, unusable: { size_differs: 1 } };
    assert.deepEqual(first, { origin: "media-audit", ...counts, errors: [] });
    assert.deepEqual([treeState(cache), treeState(library)], before, "only our own store is written");
    const again = await take(context);
    assert.deepEqual([again.imported, again.alreadyThere], [0, 2]);
    const { files } = await invoke(probe, { paths: [a, b], detail: "full" }, context);
    assert.deepEqual(
      files.map(({ path, cached, data }) => ({ path, cached, data })),
      [
        { path: a, cached: true, data: PROBE_DATA },
        { path: b, cached: true, data: PROBE_DATA },
      ],
    );
    assert.equal(files[0]?.at, new Date(1_700_000_123_500).toISOString());
    await assert.rejects(invoke(probe, { paths: [changed] }, context), failsWith("unavailable"));
  });

  it("counts neither hits nor misses nor runs of ffprobe, and says where the results are from", async () => {
    const [library, cache] = [makePlace("library"), makeMediaAuditCache()];
    pickleEntries(cache, [{ filePath: writeMedia(library, "a.mkv") }]);
    const context = contextFor(cache, library);
    await take(context);
    await take(context);
    const { probe: central } = await invoke(stats, {}, context);
    const { requests, probes, entries, byOrigin } = central ?? {};
    assert.deepEqual(
      { requests, probes, entries, byOrigin },
      { requests: 0, probes: 0, entries: 1, byOrigin: { "media-audit": 1 } },
    );
  });

  it("says of everything it leaves why", async () => {
    const [library, cache] = [makePlace("library"), makeMediaAuditCache()];
    const path = (name: string) => writeMedia(join(library, name), `${name}.mkv`);
    pickleEntries(cache, [
      { filePath: path("gone") },
      { filePath: path("old"), schema: "f60c1222" },
      { filePath: path("not ffprobe"), data: { streams: "x" } },
      { filePath: path("dots").replace("dots/dots", "old/../dots/dots") },
      { filePath: "far.mkv", keyOf: join(makePlace("far"), "far.mkv") },
    ]);
    rmSync(join(library, "gone"), { recursive: true });
    writeScanEntry(cache, join(library, "old"));
    writeFileSync(join(cache, "probe", `${"a".repeat(32)}.pkl`), "cos\nsystem\n(S'true'\ntR.");
    const { imported, unusable } = await take(contextFor(cache, library));
    assert.equal(imported, 0);
    assert.deepEqual(unusable, {
      entry_of_a_directory: 1,
      media_gone: 1,
      not_an_answer_of_ffprobe: 1,
      other_schema: 1,
      path_with_dots: 1,
      pickle_refused: 1,
      relative_path: 1,
    });
  });

  it("leaves a newer result of our own alone, and takes one for media that changed since ours", async () => {
    const [library, cache] = [makePlace("library"), makeMediaAuditCache()];
    const film = writeMedia(library, "a.mkv");
    pickleEntries(cache, [{ filePath: film }]);
    const context = contextFor(cache, library);
    const own = await openProbeCache(context);
    const { size, mtimeNs } = statSync(film, { bigint: true });
    const ours = { state: "probed", data: { streams: [], format: { ours: "yes" } } } as const;
    await own.set(film, { size, mtimeNs }, ours);
    assert.equal((await take(context)).alreadyThere, 1);
    assert.deepEqual((await own.get(film, { size, mtimeNs }))?.result, ours);
    await own.set(film, { size, mtimeNs: mtimeNs - 1n }, ours);
    assert.equal((await take(context)).imported, 1);
    assert.deepEqual((await own.get(film, { size, mtimeNs }))?.result, { state: "probed", data: PROBE_DATA });
    await own.close();
  });

  it("gives what ffprobe says of the same file today", async () => {
    const [library, cache] = [makePlace("library"), makeMediaAuditCache()];
    const film = join(library, "film.mkv");
    const make = ["-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:d=0.2", "-c:v", "ffv1", film];
    execFileSync("ffmpeg", make);
    const answer = execFileSync("ffprobe", [
      "-v",
      "quiet",
      "-print_format",
      "json",
      "-show_format",
      "-show_streams",
      film,
    ]);
    const data = JSON.parse(answer.toString("utf8")) as Record<string, unknown>;
    pickleEntries(cache, [{ filePath: film, data }]);
    const context = contextFor(cache, library);
    await take(context);
    const imported = await invoke(probe, { paths: [film] }, context);
    const probed = await invoke(probe, { paths: [film], noCache: true }, makeContext());
    assert.deepEqual(imported.files[0]?.media, probed.files[0]?.media);
  });
});
