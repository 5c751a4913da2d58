import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { execPath } from "node:process";
import { setTimeout as delay } from "node:timers/promises";

import { needsConversion } from "../../shared/caches/directory/needs-conversion.ts";
import { probedFields } from "../../shared/caches/directory/probed-fields.ts";
import type { Context } from "../../shared/index.ts";
import { scanLibraries, type ScanRequest } from "../../shared/scan-run.ts";
import { undoRun } from "../../shared/undo.ts";
import { cliEnvironment } from "../support/cli.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, entryFor, fixtureJson, writeCache, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";

const REQUEST: ScanRequest = {
  paths: [],
  include: [],
  exclude: [],
  isRefresh: false,
  retriesFailed: false,
  usesCache: true,
  isCorrected: false,
  isPreview: false,
};

type Entries = Record<string, Record<string, unknown>>;

const entriesOf = (cache: string) => JSON.parse(readFileSync(cache, "utf8")) as Entries;
const scan = (paths: readonly string[], context: Context, parts: Partial<ScanRequest> = {}) =>
  scanLibraries({ ...REQUEST, paths, ...parts }, context);

const BIN = new URL("../../cli/bin/cache-ops.js", import.meta.url).pathname;

/** The roots under which the real program scanned the fixture. */
const rootsOf = (library: string) => ["movies", "tv", "music", "Podcasts"].map((name) => join(library, name));

const cachesIn = (library: string) =>
  treeState(library).flatMap((line) => {
    const path = /^(\.\/.*\/\.mediabox_cache\.json) \d/.exec(line)?.[1];
    return path === undefined ? [] : [join(library, path)];
  });

/** A program in ffprobe's place: a shell script that notes each call in `calls` and then does what it is told. */
function stand(script: string): { readonly program: string; readonly calls: () => number } {
  const place = makePlace("program");
  const [program, log] = [join(place, "ffprobe"), join(place, "calls")];
  writeFileSync(program, `#!/bin/sh\necho call >> ${log}\n${script}\n`);
  chmodSync(program, 0o755);
  writeFileSync(log, "");
  return { program, calls: () => readFileSync(log, "utf8").split("\n").length - 1 };
}

const REAL = 'exec ffprobe "$@"';

describe("a scan", () => {
  it("writes what the real program wrote, field by field, for every file of its library", async () => {
    const library = copyLibrary();
    const caches = cachesIn(library);
    const real = new Map(caches.map((cache) => [cache, readFileSync(cache, "utf8")]));
    for (const cache of caches) rmSync(cache);
    const result = await scan(rootsOf(library), makeContext());
    equal(result.written, 43);
    equal(result.failures.length, 2);
    const timeless = (text: string) => text.replaceAll(/"last_scanned": "[^"]*"/g, '"last_scanned": ""');
    const texts = (text: string) =>
      timeless(text)
        .slice(4, -2)
        .split(/,\n {2}(?=")/)
        .toSorted();
    for (const [cache, text] of real) deepEqual(texts(readFileSync(cache, "utf8")), texts(text), cache);
    deepEqual(cachesIn(library), caches);
  });

  it("leads to the real program's own verdicts on what to convert", async () => {
    const library = copyLibrary();
    for (const cache of cachesIn(library)) rmSync(cache);
    await scan(rootsOf(library), makeContext());
    const verdicts = fixtureJson("library.needs_conversion.json") as Record<string, { readonly default: unknown }>;
    let compared = 0;
    for (const cache of cachesIn(library)) {
      for (const entry of Object.values(entriesOf(cache))) {
        const fields = new Map(Object.entries(entry)) as Parameters<typeof needsConversion>[0];
        const path = join(dirname(cache), String(entry["file_name"])).slice(library.length + 1);
        const wishes = { forceStereo: false, downgradeResolution: false };
        deepEqual(needsConversion(fields, wishes), verdicts[path]?.default, path);
        compared += 1;
      }
    }
    equal(compared, 43);
  });

  it("probes nothing the second time, writes nothing, and then exactly what was touched", async () => {
    const library = copyLibrary();
    const { program, calls } = stand(REAL);
    const context = makeContext({ config: { ffprobe: { program } } });
    await scan(rootsOf(library), context);
    const first = calls();
    equal(first, 2, "only what the caches do not hold: the two damaged files");
    const before = treeState(library);
    const again = await scan(rootsOf(library), context);
    deepEqual([again.probed, again.fromCache, again.written, calls()], [0, 2, 0, first]);
    deepEqual(treeState(library), before);
    const touched = join(library, "movies/AV1 (2023)/AV1 (2023).mkv");
    utimesSync(touched, 1_650_000_000, 1_650_000_000);
    const third = await scan(rootsOf(library), context);
    deepEqual([third.probed, third.written, third.caches, calls()], [1, 1, 1, first + 1]);
    equal(Object.keys(entriesOf(join(dirname(touched), CACHE))).length, 2);
  });

  it("can be undone to the last byte", async () => {
    const library = copyLibrary();
    for (const cache of cachesIn(library)) rmSync(cache);
    const context = makeContext();
    const before = treeState(library);
    const { runs } = await scan(rootsOf(library), context);
    equal(runs.length, 1);
    await undoRun(runs[0] ?? "", context);
    deepEqual(treeState(library), before);
  });

  it("only counts when it is a preview", async () => {
    const library = copyLibrary();
    rmSync(join(library, "movies/AV1 (2023)", CACHE));
    const before = treeState(library);
    const { media, current, probed } = await scan(rootsOf(library), makeContext(), { isPreview: true });
    deepEqual([media, current, probed], [45, 42, 0]);
    deepEqual(treeState(library), before);
  });

  it("fills an entry that was only noted, and keeps what it says of conversions", async () => {
    const library = copyLibrary();
    const directory = join(library, "movies/AV1 (2023)");
    const media = join(directory, "AV1 (2023).mkv");
    const text = entryFor(media, [
      ["conversion_count", "3"],
      ["processing_error", '"x"'],
      ["ours", "[1, 2]"],
    ]);
    writeCache(directory, [text.replace('"codec_video": "h264"', '"codec_video": null')]);
    const { written } = await scan([directory], makeContext());
    equal(written, 1);
    const [entry] = Object.values(entriesOf(join(directory, CACHE)));
    deepEqual([entry?.["codec_video"], entry?.["conversion_count"], entry?.["ours"]], ["av1", 3, [1, 2]]);
    equal(entry?.["processing_error"], "x");
  });

  it("passes over what mediabox passes over, temporary files, and files that are no media", async () => {
    const root = makeDirectory(makePlace(), "Music");
    const skipped = ["music/a.mkv", "x/AudioBooks/a.mkv", "podcasts/a.mkv", "a.tmp.mp4", "._a.mkv", "a.ts", "a.nfo"];
    for (const path of skipped) writeMedia(dirname(join(root, path)), basename(path));
    writeMedia(root, "a.MKV", "no media at all");
    const { media, failures } = await scan([root], makeContext());
    equal(media, 1);
    deepEqual(
      failures.map(({ path, rule }) => [path, rule]),
      [[join(root, "a.MKV"), "not_media"]],
    );
  });

  it("leaves a damaged cache, one of which only the temp file is left, and one in use as they are", async () => {
    const root = makePlace();
    const places = ["damaged", "temp", "used"].map((name) => makeDirectory(root, name));
    for (const place of places) writeMedia(place, "a.mkv");
    writeFileSync(join(places[0] ?? "", CACHE), '{"a": ');
    writeFileSync(join(places[1] ?? "", `${CACHE}.tmp`), "{}");
    utimesSync(join(places[1] ?? "", `${CACHE}.tmp`), 1_600_000_000, 1_600_000_000);
    const lock = { hostname: "elsewhere", pid: 1, timestamp: Date.now() / 1000, lock_id: "x", file: "a.mkv" };
    writeFileSync(join(places[2] ?? "", "a.mkv.lock"), JSON.stringify(lock));
    const before = treeState(root);
    const { errors, written } = await scan([root], makeContext());
    equal(written, 0);
    deepEqual(errors.map(({ path, code }) => `${basename(path)} ${code}`).toSorted(), [
      "damaged corrupt",
      "temp corrupt",
      "used locked",
    ]);
    deepEqual(treeState(root), before);
  });

  it("does not try a file again that could not be probed, until it changes or that is asked for", async () => {
    const root = makePlace();
    const media = writeMedia(root, "a.mkv", "no media");
    const { program, calls } = stand(REAL);
    const context = makeContext({ config: { ffprobe: { program } } });
    for (let round = 0; round < 3; round += 1) equal((await scan([root], context)).failures.length, 1);
    equal(calls(), 1);
    await scan([root], context, { retriesFailed: true });
    equal(calls(), 2);
    utimesSync(media, 1_600_000_000, 1_600_000_000);
    await scan([root], context);
    equal(calls(), 3);
    await scan([root], context, { usesCache: false });
    equal(calls(), 4);
  });

  it("leaves out a file that is written while it is probed", async () => {
    const root = makePlace();
    const media = writeMedia(root, "a.mkv");
    const { program } = stand(`touch '${media}'; echo '{"streams": [], "format": {}}'`);
    const { errors, written } = await scan([root], makeContext({ config: { ffprobe: { program } } }));
    equal(written, 0);
    deepEqual(
      errors.map(({ code }) => code),
      ["changing"],
    );
  });

  it("says how to get ffprobe when it is missing, and needs none when there is nothing to probe", async () => {
    const library = copyLibrary();
    const context = makeContext({ config: { ffprobe: { program: "/no/such/ffprobe" } } });
    rmSync(join(library, "movies/Damaged (2000)"), { recursive: true });
    equal((await scan(rootsOf(library), context)).current, 43);
    rmSync(join(library, "movies/AV1 (2023)", CACHE));
    const before = treeState(library);
    await rejects(scan(rootsOf(library), context), { code: "unavailable", hint: /apt install ffmpeg/ });
    deepEqual(treeState(library), before);
  });

  it("probes only what is included and not excluded", async () => {
    const library = copyLibrary();
    const { probed, written } = await scan([library], makeContext(), {
      isRefresh: true,
      include: ["movies/Names/*", "./movies/AV1*/*"],
      exclude: ["*first.mkv"],
    });
    equal(probed, 13);
    equal(written, 13);
  });

  it("stops when it is told to, and the next scan goes on with what was probed", async () => {
    const root = makePlace();
    for (let index = 0; index < 40; index += 1) writeMedia(root, `${index}.mkv`);
    const { program, calls } = stand(`sleep 0.02; echo '{"streams": [], "format": {}}'`);
    const stop = new AbortController();
    const config = { ffprobe: { program, concurrency: 2 } };
    const context = makeContext({
      config,
      signal: stop.signal,
      progress: ({ message, done }) => {
        if (message.startsWith("probing") && done === 10) stop.abort();
      },
    });
    await rejects(scan([root], context));
    const begun = calls();
    ok(begun < 40);
    const next = makeContext({ config, state: context.state });
    const { probed, fromCache, written } = await scan([root], next);
    equal(written, 40);
    ok(fromCache >= 10, `${fromCache} from the cache`);
    equal(probed + fromCache, 40);
  });

  it("loses no more than the files at hand when it is killed", async function () {
    this.timeout(60_000);
    const root = makePlace();
    for (let index = 0; index < 60; index += 1) writeMedia(makeDirectory(root, String(index % 7)), `${index}.mkv`);
    const { program, calls } = stand(`sleep 0.05; echo '{"streams": [], "format": {}}'`);
    const config = join(makePlace(), "config.json");
    writeFileSync(config, JSON.stringify({ ffprobe: { program, concurrency: 2 } }));
    const env = { ...cliEnvironment(), CACHE_OPS_CONFIG: config };
    const child = spawn(execPath, [BIN, "scan", root, "--json"], { env, stdio: "ignore", detached: true });
    while (calls() < 20) await delay(10);
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await once(child, "exit");
    const begun = calls();
    const again = spawn(execPath, [BIN, "scan", root, "--json"], { env, stdio: ["ignore", "pipe", "inherit"] });
    const output: Buffer[] = [];
    again.stdout.on("data", (data: Buffer) => output.push(data));
    equal((await once(again, "exit"))[0], 0);
    const { written, probed, fromCache } = JSON.parse(Buffer.concat(output).toString()) as Record<string, number>;
    equal(written, 60);
    equal(Number(probed) + Number(fromCache), 60);
    ok(Number(fromCache) >= begun - 2, `${fromCache} of ${begun} were remembered`);
    for (const name of ["0", "6"]) ok(statSync(join(root, name, CACHE)).size > 2);
  });
});

describe("what a scan notes of a file", () => {
  const video = (pix_fmt: string, more: object = {}) => ({
    streams: [{ codec_type: "video", codec_name: "hevc", width: 1, height: 2, pix_fmt, ...more }],
    format: {},
  });
  const depths = (pix_fmt: string) =>
    [false, true].map((isCorrected) => new Map(probedFields(video(pix_fmt), { isCorrected })).get("bit_depth"));

  it("has mediabox's mistakes, unless they are to be corrected", () => {
    deepEqual(depths("yuv420p"), ["8", "8"]);
    deepEqual(depths("yuv420p10le"), ["10", "10"]);
    deepEqual(depths("yuv410p"), ["10", "8"]);
    deepEqual(depths("yuv420p12le"), ["8", "12"]);
    deepEqual(depths("p010le"), ["10", "10"]);
    deepEqual(depths("gbrp16be"), ["8", "16"]);
  });

  it("stands what is missing or odd in ffprobe's answer", () => {
    const odd = { streams: [{ codec_type: "audio", channels: "6" }], format: { duration: "N/A", bit_rate: null } };
    const fields = new Map(probedFields(odd, { isCorrected: false }));
    deepEqual([fields.get("duration"), fields.get("bitrate"), fields.get("audio_channels")], ["0.0", "0", '"6"']);
    deepEqual([fields.get("width"), fields.get("resolution"), fields.get("codec_audio")], ["null", "null", "null"]);
    match(fields.get("has_surround_track") ?? "", /true/);
  });
});
