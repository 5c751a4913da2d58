import assert from "node:assert/strict";
import { appendFileSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { invoke } from "../../shared/index.ts";
import { importOperation } from "../../shared/operations/import.ts";
import { probe } from "../../shared/operations/probe.ts";
import { scan } from "../../shared/operations/scan.ts";
import { stats } from "../../shared/operations/stats.ts";
import { CACHE, copyLibrary, entryFor, writeCache, writeMedia } from "../support/library.ts";
import { makeMediaAuditCache, pickleEntries } from "../support/media-audit.ts";
import { makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { probeContext, withCache } from "./probe/cache-place.ts";
import { countingProbe, standIn } from "./probe/stand-in.ts";

type Parts = NonNullable<Parameters<typeof probeContext>[0]>;

/** The real ffprobe, which notes each run; `runs` says how many there were since it was asked last. */
function makeCounted(parts: Parts = {}) {
  const calls = join(makePlace("calls"), "calls");
  writeFileSync(calls, "");
  const program = standIn(`echo run >> '${calls}'; exec ffprobe "$@"`);
  const context = probeContext({ ...parts, config: { ffprobe: { program }, ...parts.config } });
  const runs = () => {
    const count = readFileSync(calls, "utf8").split("\n").length - 1;
    writeFileSync(calls, "");
    return count;
  };
  return { context, runs };
}

const take = async (paths: readonly string[], context: ReturnType<typeof probeContext>) => {
  const { origins, errors } = await invoke(importOperation, { paths: [...paths] }, context);
  const [figures] = origins;
  assert.ok(figures !== undefined && origins.length === 1);
  return { ...figures, errors };
};

const rootsOf = (library: string) => ["movies", "tv", "music", "Podcasts"].map((name) => join(library, name));

const cachesIn = (library: string) =>
  treeState(library).flatMap((line) => {
    const path = /^(\.\/.*\/\.mediabox_cache\.json) \d/.exec(line)?.[1];
    return path === undefined ? [] : [join(library, path)];
  });

/** The entries of a cache in the order of their keys, byte for byte but for the time of their scan. */
function entriesOf(path: string): string[] {
  const text = readFileSync(path, "utf8").replaceAll(/"last_scanned": "[^"]*"/g, "");
  const end = "\n}";
  assert.ok(text.startsWith("{\n  ") && text.endsWith(end));
  return text
    .slice(4, -end.length)
    .split(/,\n {2}(?=")/)
    .toSorted();
}

/** The 17 fields that tell of the media. */
const PROBED: readonly (readonly [string, string])[] = [
  ["codec_audio", '"aac"'],
  ["resolution", '"64x48"'],
  ["width", "64"],
  ["height", "48"],
  ["duration", "2.5"],
  ["bitrate", "1000"],
  ["is_hdr", "false"],
  ["hdr_type", "null"],
  ["color_transfer", '""'],
  ["color_primaries", '""'],
  ["color_space", '""'],
  ["bit_depth", "8"],
  ["audio_channels", '"2"'],
  ["audio_layout", '"stereo"'],
  ["has_stereo_track", "true"],
  ["has_surround_track", "false"],
];

/** The entry of a film as mediabox would have written it; `changes` are put over its fields, `undefined` leaves one out. */
function wholeEntry(path: string, changes: Readonly<Record<string, string | undefined>> = {}): string {
  const lines = entryFor(path, PROBED).split("\n");
  const named = (line: string) => /^ {4}"(\w+)": /.exec(line)?.[1] ?? "";
  const fields = new Map(lines.slice(1, -1).map((line) => [named(line), line.replace(/,$/, "")]));
  for (const [name, json] of Object.entries(changes)) {
    if (json === undefined) fields.delete(name);
    else fields.set(name, `    "${name}": ${json}`);
  }
  return [lines[0], [...fields.values()].join(",\n"), lines.at(-1)].join("\n");
}

/** A directory with one film and the entry that mediabox made of it. */
function makeFilm(changes: Readonly<Record<string, string | undefined>> = {}) {
  const root = makePlace("films");
  const film = writeMedia(root, "film.mkv");
  const cache = writeCache(root, [wholeEntry(film, changes)]);
  return { root, film, cache };
}

describe("an import of what mediabox noted", () => {
  it("takes over every entry of the real library in either format, and writes only our own store", async () => {
    for (const [which, entries] of [
      ["library", 43],
      ["library-legacy", 42],
    ] as const) {
      const library = copyLibrary(which);
      const before = treeState(library);
      const { context, runs } = makeCounted();
      const counts = { origin: "mediabox", entries, unusable: {}, errors: [] };
      assert.deepEqual(await take(rootsOf(library), context), { ...counts, imported: entries, alreadyThere: 0 });
      assert.deepEqual(await take(rootsOf(library), context), { ...counts, imported: 0, alreadyThere: entries });
      assert.deepEqual([runs(), treeState(library)], [0, before]);
      const { probe: central } = await invoke(stats, { paths: rootsOf(library) }, context);
      const { requests, probes, byOrigin } = central ?? {};
      assert.deepEqual({ requests, probes, byOrigin }, { requests: 0, probes: 0, byOrigin: { mediabox: entries } });
    }
  });

  it("answers a concise probe without ffprobe, says that it is partial, and says nothing that ffprobe does not", async () => {
    const library = copyLibrary();
    const { context, runs } = makeCounted();
    await take(rootsOf(library), context);
    const noted = await invoke(probe, { paths: rootsOf(library) }, context);
    const partial = noted.files.filter((file) => file.partial);
    // The linked file is no media file to a probe of its directory.
    assert.deepEqual([partial.length, noted.partial, runs()], [42, 42, noted.files.length - 42]);
    assert.match(probe.view(noted).notes.join("\n"), /42 files are known only as far as mediabox noted/);
    const again = await invoke(probe, { paths: rootsOf(library) }, context);
    assert.deepEqual([again.partial, again.cached, runs()], [42, again.files.length, 0]);
    const whole = await invoke(probe, { paths: rootsOf(library), noCache: true }, context);
    const truth = new Map(whole.files.map((file) => [file.path, file.media]));
    const known = (value: object, of: object | undefined) =>
      Object.entries(value).flatMap(([name, part]: [string, unknown]) =>
        part === null || Array.isArray(part) ? [] : [[name, part, of?.[name as keyof typeof of]] as const],
      );
    let compared = 0;
    for (const { path, media } of partial) {
      const real = truth.get(path);
      assert.ok(media && real);
      for (const [name, noted_, said] of [
        ...known(media, real),
        ...media.video.flatMap((stream, index) => known(stream, real.video[index])),
        ...media.audio.flatMap((stream, index) => known(stream, real.audio[index])),
      ]) {
        assert.deepEqual(noted_, said, `${name} of ${path}`);
        compared += 1;
      }
    }
    assert.ok(compared > 300, String(compared));
  });

  it("never answers for ffprobe: with full detail the file is probed, and from then on wholly known", async () => {
    const { film, root } = makeFilm();
    const { program, calls } = countingProbe();
    const context = probeContext({ config: { ffprobe: { program } } });
    const runs = () => readFileSync(calls, "utf8").split("\n").length - 1;
    await take([root], context);
    const row = async (input: Record<string, unknown>) => {
      const { files } = await invoke(probe, { paths: [film], ...input }, context);
      return files[0];
    };
    const noted = await row({});
    assert.deepEqual([noted?.partial, noted?.cached, noted?.data, runs()], [true, true, undefined, 0]);
    assert.equal(noted?.at, new Date("2024-01-15T10:20:30.123").toISOString());
    const full = await row({ detail: "full" });
    assert.deepEqual([full?.partial, full?.cached, runs()], [false, false, 1]);
    assert.deepEqual(full?.data, {
      streams: [{ codec_type: "video", codec_name: "h264", width: 64, height: 48 }],
      format: { duration: "2.5" },
    });
    const after = await row({});
    assert.deepEqual([after?.partial, after?.cached, runs()], [false, true, 1]);
    assert.deepEqual((await take([root], context)).alreadyThere, 1);
    assert.equal((await row({}))?.partial, false);
  });

  it("without ffprobe leaves a file out of full detail rather than to show a part of it", async () => {
    const { film, root } = makeFilm();
    const context = probeContext({ config: { ffprobe: { program: "/none" } } });
    await take([root], context);
    assert.equal((await invoke(probe, { paths: [film] }, context)).partial, 1);
    await assert.rejects(invoke(probe, { paths: [film], detail: "full" }, context), failsWith("unavailable"));
  });

  it("lets a scan write lost caches again, byte for byte and without ffprobe", async () => {
    const library = copyLibrary();
    const { context, runs } = makeCounted();
    await take(rootsOf(library), context);
    const caches = cachesIn(library);
    const before = caches.map((path) => [path, entriesOf(path)] as const);
    for (const path of caches) rmSync(path);
    const { fromCache, probed, failures } = await invoke(scan, { paths: rootsOf(library) }, context);
    // What gave the real program no entry is tried.
    assert.deepEqual([fromCache, probed, runs(), failures.length], [43, 2, 2, 2]);
    for (const [path, entries] of before) assert.deepEqual(entriesOf(path), entries, path);
    assert.deepEqual(cachesIn(library), caches);
  });

  it("makes a scan probe where depth and HDR are to be corrected, or may have been", async () => {
    for (const [changes, input, expected] of [
      [{}, {}, 0],
      [{}, { corrected: true }, 1],
      [{}, { refresh: true }, 1],
      // Times of our own scans end in milliseconds.
      [{ last_scanned: '"2024-01-15T10:20:30.123000"' }, {}, 1],
      [{ last_scanned: '"2024-01-15T10:20:30"' }, {}, 1],
      // mediabox knows 8 and 10.
      [{ bit_depth: "12" }, {}, 1],
    ] as const) {
      const { root, cache } = makeFilm(changes);
      const { program, calls } = countingProbe();
      const context = probeContext({ config: { ffprobe: { program } } });
      assert.equal((await take([root], context)).imported, 1);
      rmSync(cache);
      const { written } = await invoke(scan, { paths: [root], ...input }, context);
      const runs = readFileSync(calls, "utf8").split("\n").length - 1;
      assert.deepEqual([written, runs], [1, expected], JSON.stringify([changes, input]));
    }
  });

  const refused: readonly (readonly [what: string, rule: string, make: (made: ReturnType<typeof makeFilm>) => void])[] =
    [
      ["media that grew", "fingerprint_differs", ({ film }) => appendFileSync(film, "more")],
      ["media with another time", "fingerprint_differs", ({ film }) => utimesSync(film, 1_600_000_000, 1_600_000_000)],
      ["media that is gone", "media_gone", ({ film }) => rmSync(film)],
      ["media under another name", "media_gone", ({ film }) => renameSync(film, join(dirname(film), "other.mkv"))],
      [
        "an entry whose name leads to another directory",
        "file_name_is_no_name",
        ({ film, cache }) => {
          renameSync(film, join(makePlace("elsewhere"), "film.mkv"));
          writeFileSync(cache, readFileSync(cache, "utf8").replace('"film.mkv"', '"../film.mkv"'));
        },
      ],
      ["a damaged cache", "invalid_json", ({ cache }) => writeFileSync(cache, readFileSync(cache).subarray(0, -9))],
      ["an empty cache", "empty_file", ({ cache }) => writeFileSync(cache, "")],
    ];
  for (const [what, rule, make] of refused) {
    it(`refuses ${what}: ${rule}`, async () => {
      const made = makeFilm();
      make(made);
      writeMedia(made.root, "beside.mkv");
      const context = probeContext();
      const { imported, alreadyThere, unusable } = await take([made.root], context);
      assert.deepEqual([imported, alreadyThere, unusable], [0, 0, { [rule]: 1 }]);
      assert.equal((await invoke(stats, { paths: [made.root] }, context)).probe?.entries, 0);
    });
  }

  const CONVERTED = { conversion_count: "1", last_processed: '"2024-01-16T00:00:00"' };
  for (const [what, rule, changes] of [
    ["that was never probed", "no_probe_data", { codec_video: "null", codec_audio: "null" }],
    ["with the probe data of before a conversion", "inherited_probe_data", CONVERTED],
    ["whose conversion has no time", "inherited_probe_data", { conversion_count: "1" }],
    ["that does not say when", "last_scanned_unreadable", { last_scanned: undefined }],
    ["that says nonsense for a time", "last_scanned_unreadable", { last_scanned: '"yesterday"' }],
    ["that lacks a field", "not_as_mediabox_writes", { color_space: undefined }],
    ["with a text for a number", "not_as_mediabox_writes", { width: '"64"' }],
    ["with a number for a text", "not_as_mediabox_writes", { audio_channels: "2" }],
    ["with null for a depth", "not_as_mediabox_writes", { bit_depth: "null" }],
    ["with a number that is none", "not_as_mediabox_writes", { duration: "NaN" }],
    ["that spells a number another way", "not_as_mediabox_writes", { duration: "2.50" }],
    ["whose fields contradict each other", "not_as_mediabox_writes", { resolution: '"1920x1080"' }],
    ["that is HDR for no reason", "not_as_mediabox_writes", { is_hdr: "true", hdr_type: '"HDR10"' }],
  ] as const) {
    it(`refuses an entry ${what}: ${rule}`, async () => {
      const { root } = makeFilm(changes);
      const { imported, unusable } = await take([root], probeContext());
      assert.deepEqual([imported, unusable], [0, { [rule]: 1 }]);
    });
  }

  it("takes an entry that was scanned again after its conversion", async () => {
    const { root } = makeFilm({ ...CONVERTED, last_processed: '"2024-01-14T00:00:00"' });
    assert.equal((await take([root], probeContext())).imported, 1);
  });

  it("names each program, and puts nothing beside what media-audit knows wholly", async () => {
    const { root, film } = makeFilm();
    const other = writeMedia(root, "other.mkv");
    writeCache(root, [wholeEntry(film), wholeEntry(other)]);
    const audit = makeMediaAuditCache();
    pickleEntries(audit, [{ filePath: film }]);
    const config = { libraries: [{ name: "films", roots: [root] }], probe: { mediaAudit: [audit] } };
    const context = probeContext({ config });
    const output = await invoke(importOperation, {}, context);
    assert.deepEqual(output, {
      imported: 2,
      origins: [
        { origin: "media-audit", entries: 1, imported: 1, alreadyThere: 0, unusable: {} },
        { origin: "mediabox", entries: 2, imported: 1, alreadyThere: 1, unusable: {} },
      ],
      errors: [],
    });
    assert.deepEqual(importOperation.view(output).table.rows.slice(0, 3), [
      ["media-audit", "looked at", 1],
      ["media-audit", "imported", 1],
      ["media-audit", "already there", 0],
    ]);
    const known = await withCache(context, (cache) => cache.peek(film, statSync(film, { bigint: true })));
    assert.deepEqual([known?.origin, known?.result.state], ["media-audit", "probed"]);
  });

  it("puts a whole result over the part that was there", async () => {
    const { root, film } = makeFilm();
    const audit = makeMediaAuditCache();
    pickleEntries(audit, [{ filePath: film }]);
    const context = probeContext({ config: { probe: { mediaAudit: [audit] } } });
    assert.equal((await take([root], context)).imported, 1);
    const { origins } = await invoke(importOperation, { kind: ["probe"] }, context);
    assert.deepEqual(origins[0]?.imported, 1);
    const { files } = await invoke(probe, { paths: [film], detail: "full" }, context);
    assert.deepEqual([files[0]?.cached, files[0]?.partial], [true, false]);
  });

  it("of a caller who is confined takes nothing outside the libraries", async () => {
    const { root } = makeFilm();
    const config = { libraries: [{ name: "other", roots: [makePlace("other")] }] };
    const context = probeContext({ config, bounds: { confined: true } });
    await assert.rejects(take([root], context), failsWith("forbidden"));
    assert.deepEqual(treeState(context.stateDirectory).length, 1);
  });

  it("takes nothing of media or a cache that changes while it is at work", async () => {
    for (const [change, unusable, codes] of [
      [({ film }) => appendFileSync(film, "more"), { changed_meanwhile: 1 }, []],
      [({ cache }) => appendFileSync(cache, " "), {}, ["changing"]],
      [({ cache }) => rmSync(cache), {}, ["ENOENT"]],
    ] as const satisfies readonly (readonly [
      (made: ReturnType<typeof makeFilm>) => void,
      object,
      readonly string[],
    ])[]) {
      const made = makeFilm();
      const progress = ({ message }: { readonly message: string }) => {
        if (message === `importing ${made.cache}`) change(made);
      };
      const taken = await take([made.root], probeContext({ progress }));
      assert.deepEqual([taken.imported, taken.unusable, taken.errors.map(({ code }) => code)], [0, unusable, codes]);
    }
  });

  it("stops when the caller gives up", async () => {
    const { root, cache } = makeFilm();
    const stop = new AbortController();
    const progress = ({ message }: { readonly message: string }) => {
      if (message === `importing ${cache}`) stop.abort();
    };
    const context = probeContext({ signal: stop.signal, progress });
    await assert.rejects(take([root], context), failsWith("interrupted"));
    assert.equal(cache, join(root, CACHE));
  });
});
