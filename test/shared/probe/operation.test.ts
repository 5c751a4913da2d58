import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";

import { invoke, type Context, type Progress } from "../../../shared/index.ts";
import { seeTree } from "../../../shared/caches/probe/tree.ts";
import { invalidate } from "../../../shared/operations/invalidate.ts";
import { probe } from "../../../shared/operations/probe.ts";
import { stats } from "../../../shared/operations/stats.ts";
import { copyLibrary, writeMedia } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { treeState } from "../../support/tree.ts";
import { probeContext, withCache } from "./cache-place.ts";
import { countingProbe, standIn } from "./stand-in.ts";

/** Three films in a library of two directories, and a context whose ffprobe counts its runs. */
function makeFilms(parts: Parameters<typeof probeContext>[0] = {}) {
  const { program, calls } = countingProbe();
  const root = makePlace("films");
  const films = ["a/one.mkv", "a/deep/two.mp4", "b/three.avi"].map((name) =>
    writeMedia(join(root, name, ".."), basename(name), name),
  );
  writeMedia(join(root, "a"), "poster.jpg");
  const config = { ffprobe: { program }, ...parts.config };
  const context = probeContext({ ...parts, config });
  return { root, films, context, runs: () => readFileSync(calls, "utf8").split("\n").length - 1 };
}

const counts = ({ probed, failed, cached }: { probed: number; failed: number; cached: number }) => [
  probed,
  failed,
  cached,
];

describe("probe", () => {
  it("describes the real library, and the second time from the cache alone", async () => {
    const root = copyLibrary();
    const context = probeContext();
    const before = treeState(root);
    const first = await invoke(probe, { paths: [root] }, context);
    assert.deepEqual(counts(first), [44, 2, 0]);
    const media = (name: string) => first.files.find(({ path }) => path.endsWith(name))?.media;
    const [hdr] = media("HDR10 4K (2020) - 2160p.mkv")?.video ?? [];
    assert.deepEqual([hdr?.codec, hdr?.hdr, hdr?.bitDepth, hdr?.width], ["hevc", "HDR10", 10, 3840]);
    assert.equal(media("HLG (2021).mkv")?.video[0]?.hdr, "HLG");
    assert.equal(media("FFV1 410p (2000).mkv")?.video[0]?.bitDepth, 8);
    assert.equal(media("FFV1 12-bit (2000).mkv")?.video[0]?.bitDepth, 12);
    assert.equal(media("Cover art (2013).mp4")?.video.length, 1);
    assert.equal(media("Seven One (2004).mkv")?.audio[0]?.channels, 8);
    assert.deepEqual(media("No audio (1925).mp4")?.audio, []);
    assert.equal(probe.outcome(first), "partial");
    const failed = first.files.filter(({ state }) => state === "failed");
    assert.deepEqual(
      failed.map(({ rule, media }) => [rule, media]),
      [
        ["not_media", null],
        ["not_media", null],
      ],
    );
    const missing = {
      ...context,
      configuration: { ...context.configuration, ffprobe: { ...context.configuration.ffprobe, program: "/none" } },
    };
    const second = await invoke(probe, { paths: [root] }, missing);
    assert.deepEqual(counts(second), [44, 2, 46]);
    assert.deepEqual(
      second.files.map((file) => ({ ...file, cached: false })),
      first.files,
    );
    assert.deepEqual(treeState(root), before);
  });

  it("probes each file once, then only what changed", async () => {
    const { root, films, context, runs } = makeFilms();
    assert.deepEqual(counts(await invoke(probe, { paths: [root] }, context)), [3, 0, 0]);
    assert.deepEqual(counts(await invoke(probe, { paths: [root] }, context)), [3, 0, 3]);
    assert.deepEqual(counts(await invoke(probe, { paths: [...films] }, context)), [3, 0, 3]);
    assert.equal(runs(), 3);
    appendFileSync(films[1] ?? "", "more");
    utimesSync(films[2] ?? "", 1_700_000_001, 1_700_000_001);
    assert.deepEqual(counts(await invoke(probe, { paths: [root] }, context)), [3, 0, 1]);
    assert.equal(runs(), 5);
  });

  it("does not try a failure again until the file changes", async () => {
    const calls = join(makePlace("calls"), "calls");
    const program = standIn(`echo run >> '${calls}'; exit 1`);
    const { root, context, films } = makeFilms({ config: { ffprobe: { program } } });
    const runs = () => readFileSync(calls, "utf8").split("\n").length - 1;
    assert.deepEqual(counts(await invoke(probe, { paths: [root] }, context)), [0, 3, 0]);
    assert.deepEqual(counts(await invoke(probe, { paths: [root] }, context)), [0, 3, 3]);
    assert.equal(runs(), 3);
    appendFileSync(films[0] ?? "", "more");
    await invoke(probe, { paths: [root] }, context);
    assert.equal(runs(), 4);
  });

  it("with refresh probes again and stores what comes out", async () => {
    const { root, films, context, runs } = makeFilms();
    await invoke(probe, { paths: [root] }, context);
    const again = await invoke(probe, { paths: [films[0] ?? ""], refresh: true }, context);
    assert.deepEqual([counts(again), runs()], [[1, 0, 0], 4]);
    assert.deepEqual(counts(await invoke(probe, { paths: [root] }, context)), [3, 0, 3]);
    assert.equal((await invoke(stats, { paths: [root] }, context)).probe?.probes, 4);
  });

  it("with noCache neither reads nor writes the cache", async () => {
    const { root, context, runs } = makeFilms();
    await invoke(probe, { paths: [root], noCache: true }, context);
    assert.deepEqual(treeState(context.stateDirectory).length, 1);
    await invoke(probe, { paths: [root] }, context);
    const before = treeState(context.stateDirectory);
    assert.deepEqual(counts(await invoke(probe, { paths: [root], noCache: true }, context)), [3, 0, 0]);
    assert.deepEqual([runs(), treeState(context.stateDirectory)], [9, before]);
  });

  it("with detail full gives ffprobe's own answer", async () => {
    const { films, context } = makeFilms();
    for (let round = 0; round < 2; round += 1) {
      const { files } = await invoke(probe, { paths: [films[0] ?? ""], detail: "full" }, context);
      const data = files[0]?.data as { format: { duration: string } } | undefined;
      assert.equal(data?.format.duration, "2.5");
    }
  });

  it("forgets a result of a file that changed while it was probed", async () => {
    const root = makePlace("films");
    const film = writeMedia(root, "growing.mkv");
    const program = standIn(`echo more >> '${film}'; echo '{"streams":[],"format":{}}'`);
    const context = probeContext({ config: { ffprobe: { program } } });
    assert.deepEqual(counts(await invoke(probe, { paths: [film] }, context)), [1, 0, 0]);
    const { probe: figures } = await invoke(stats, { paths: [copyLibrary()] }, context);
    assert.equal(figures?.entries, 0);
  });

  it("without ffprobe is unavailable, but tells what is known of the others", async () => {
    const { root, films, context } = makeFilms();
    await invoke(probe, { paths: [films[0] ?? ""] }, context);
    const configuration = { ...context.configuration, ffprobe: { ...context.configuration.ffprobe, program: "/none" } };
    const without = { ...context, configuration };
    const output = await invoke(probe, { paths: [root] }, without);
    assert.deepEqual(
      output.files.map(({ path }) => path),
      [films[0]],
    );
    assert.match(output.missing ?? "", /\/none cannot be started.*apt install ffmpeg/);
    assert.equal(probe.outcome(output), "unavailable");
    assert.deepEqual(counts(await invoke(probe, { paths: [films[0] ?? ""], refresh: true }, without)), [1, 0, 1]);
    await assert.rejects(invoke(probe, { paths: [films[1] ?? ""] }, without), failsWith("unavailable"));
  });

  it("tells how far it is", async () => {
    const seen: Progress[] = [];
    const { root, context } = makeFilms({ progress: (progress) => seen.push(progress) });
    await invoke(probe, { paths: [root] }, context);
    assert.deepEqual(
      seen.map(({ done, total }) => [done, total]),
      [
        [1, 3],
        [2, 3],
        [3, 3],
      ],
    );
  });

  it("never runs more programs at once than it may", async () => {
    const place = makePlace("running");
    const program = standIn(
      `mkdir '${place}/'$$; sleep 0.05; ls '${place}' | wc -l >> '${place}.most'; rmdir '${place}/'$$; echo '{"streams":[],"format":{}}'`,
    );
    const root = makePlace("films");
    for (let number = 0; number < 20; number += 1) writeMedia(root, `${number}.mkv`);
    await invoke(probe, { paths: [root] }, probeContext({ config: { ffprobe: { program, concurrency: 3 } } }));
    const most = readFileSync(`${place}.most`, "utf8").trim().split("\n").map(Number);
    rmSync(`${place}.most`);
    assert.ok(most.length === 20 && Math.max(...most) <= 3, most.join());
  });

  it("stops when the caller gives up, and keeps what was probed until then", async () => {
    const stop = new AbortController();
    const progress = ({ done }: Progress) => {
      if (done === 1) stop.abort();
    };
    const { root, films, context, runs } = makeFilms({ config: {}, signal: stop.signal, progress });
    const one = {
      ...context,
      configuration: { ...context.configuration, ffprobe: { ...context.configuration.ffprobe, concurrency: 1 } },
    };
    await assert.rejects(invoke(probe, { paths: [root] }, one), failsWith("interrupted"));
    const done = runs();
    assert.ok(done < 3);
    const quiet = { ...context, signal: new AbortController().signal, progress: () => undefined };
    const { cached } = await invoke(probe, { paths: [...films] }, quiet);
    assert.ok(cached >= 1);
  });

  it("refuses what is not there, what is no media file, and relative paths", async () => {
    const { root, context } = makeFilms();
    await assert.rejects(invoke(probe, { paths: [join(root, "none.mkv")] }, context), failsWith("not_found"));
    await assert.rejects(invoke(probe, { paths: ["/dev/null"] }, context), failsWith("invalid_input"));
    await assert.rejects(invoke(probe, { paths: ["a/one.mkv"] }, context), failsWith("invalid_input"));
    await assert.rejects(invoke(probe, { paths: [] }, context), failsWith("invalid_input"));
  });

  it("of a caller who is confined sees nothing outside the libraries, also through a link", async () => {
    const { root, films } = makeFilms();
    const outside = writeMedia(makePlace("outside"), "secret.mkv");
    symlinkSync(outside, join(root, "link.mkv"));
    const bounds = { confined: true };
    const { program, calls } = countingProbe();
    const config = { libraries: [{ name: "films", roots: [root] }], ffprobe: { program } };
    const context = probeContext({ config, bounds });
    for (const path of [
      outside,
      join(root, "link.mkv"),
      join(root, "..", basename(join(outside, "..")), "secret.mkv"),
      "/",
    ])
      await assert.rejects(invoke(probe, { paths: [path] }, context), failsWith("forbidden"), path);
    assert.equal(readFileSync(calls, "utf8"), "");
    const { files } = await invoke(probe, { paths: ["films"] }, context);
    assert.deepEqual(files.map(({ path }) => path).toSorted(), films.toSorted());
  });
});

describe("what is remembered of a directory", () => {
  /** The requests that probing the directory once more makes. */
  const requestsOf = async (root: string, context: Context) => {
    const before = (await invoke(stats, { paths: [root] }, context)).probe;
    await invoke(probe, { paths: [root] }, context);
    const after = (await invoke(stats, { paths: [root] }, context)).probe;
    return { hits: (after?.hits ?? 0) - (before?.hits ?? 0), misses: (after?.misses ?? 0) - (before?.misses ?? 0) };
  };

  it("holds while nothing below it changes, however deep", async () => {
    const { root, films, context } = makeFilms();
    await invoke(probe, { paths: [root] }, context);
    assert.deepEqual(await requestsOf(root, context), { hits: 3, misses: 0 });
    const changes: readonly (readonly [what: string, change: () => void])[] = [
      [
        "a file two levels down is rewritten in place",
        () => {
          const film = films[1] ?? "";
          writeFileSync(film, "other");
        },
      ],
      ["a file is renamed", () => renameSync(films[0] ?? "", `${films[0]}.mkv`)],
      ["a directory comes", () => mkdirSync(join(root, "a", "deep", "deeper"))],
      ["a file that is no media changes its time", () => utimesSync(join(root, "a", "poster.jpg"), 5, 5)],
      ["a file goes", () => rmSync(films[2] ?? "")],
    ];
    for (const [what, change] of changes) {
      const digest = (await seeTree(root, context)).digest;
      assert.equal((await seeTree(root, context)).digest, digest);
      change();
      assert.notEqual((await seeTree(root, context)).digest, digest, what);
    }
    await withCache(context, async (cache) => {
      const { digest = "" } = await seeTree(root, context);
      assert.equal(await cache.getDirectory(root, digest), undefined);
    });
  });

  it("is given up when one of its files is probed again, or forgotten", async () => {
    const { root, films, context } = makeFilms();
    const { digest = "" } = await seeTree(root, context);
    const isKnown = () => withCache(context, async (cache) => (await cache.getDirectory(root, digest)) !== undefined);
    await invoke(probe, { paths: [root] }, context);
    assert.equal(await isKnown(), true);
    await invoke(probe, { paths: [films[1] ?? ""], refresh: true }, context);
    assert.equal(await isKnown(), false);
    await invoke(probe, { paths: [root] }, context);
    assert.equal(await isKnown(), true);
    await invoke(invalidate, { match: ["two.mp4"] }, context);
    assert.equal(await isKnown(), false);
  });

  it("is not taken when a result in it is older than the TTL", async () => {
    let now = Date.now();
    const { root, context, runs } = makeFilms({ now: () => now });
    const aging = {
      ...context,
      configuration: { ...context.configuration, probe: { ...context.configuration.probe, ttl: "1d" } },
    };
    await invoke(probe, { paths: [root] }, aging);
    now += 86_400_000;
    assert.deepEqual([counts(await invoke(probe, { paths: [root] }, aging)), runs()], [[3, 0, 0], 6]);
  });

  it("is not looked for any longer once the caller gave up", async () => {
    const { root, context } = makeFilms();
    await assert.rejects(seeTree(root, { ...context, signal: AbortSignal.abort() }), failsWith("interrupted"));
  });
});

describe("invalidate", () => {
  async function makeKnown() {
    let now = Date.UTC(2026, 0, 1);
    const made = makeFilms({ now: () => now });
    const { films, context } = made;
    await invoke(probe, { paths: [films[0] ?? "", films[1] ?? ""] }, context);
    now += 10 * 86_400_000;
    await withCache(context, (cache) =>
      cache.set(films[2] ?? "", { size: 1n, mtimeNs: 1n }, { state: "failed", rule: "crashed", message: "x" }),
    );
    const left = async () => (await invoke(stats, { paths: [made.root] }, context)).probe?.entries;
    return { ...made, left };
  }

  const choices = [
    ["everything", () => ({ all: true }), 3],
    ["failures", () => ({ state: "failed" }), 1],
    ["results", () => ({ state: "probed" }), 2],
    ["one file", (root: string) => ({ paths: [join(root, "a/one.mkv")] }), 1],
    ["a directory", (root: string) => ({ paths: [join(root, "a")] }), 2],
    ["no directory whose name only begins alike", (root: string) => ({ paths: [join(root, "a/dee")] }), 0],
    ["names that match", () => ({ match: ["*.mp4", "three.*"] }), 2],
    ["paths that match", () => ({ match: ["**/deep/*"] }), 1],
    ["what is old", () => ({ olderThan: "5d" }), 2],
    ["what is old and matches", () => ({ olderThan: "5d", match: ["one.*"] }), 1],
    ["what another schema wrote", () => ({ otherSchema: true }), 0],
  ] as const;
  for (const [what, input, count] of choices) {
    it(`forgets ${what}, after saying so in a dry run that changes nothing`, async () => {
      const { root, context, left } = await makeKnown();
      const media = treeState(root);
      const dry = await invoke(invalidate, { ...input(root), dryRun: true }, context);
      assert.deepEqual([dry.dryRun, dry.entries, await left()], [true, count, 3]);
      const { dryRun, entries, bytes } = await invoke(invalidate, input(root), context);
      assert.deepEqual([dryRun, entries, bytes, await left()], [false, count, dry.bytes, 3 - count]);
      assert.deepEqual(treeState(root), media);
    });
  }

  for (const input of [{}, { dryRun: true }, { all: true, match: ["*"] }, { all: true, damaged: true }, { all: false }])
    it(`refuses ${JSON.stringify(input)}: it is not clear what to forget`, async () => {
      const { context, left } = await makeKnown();
      await assert.rejects(invoke(invalidate, input, context), failsWith("invalid_input", /not clear/));
      assert.equal(await left(), 3);
    });

  it("of a caller who is confined forgets only what lies in the libraries", async () => {
    const { root, context, left } = await makeKnown();
    const config = { libraries: [{ name: "a", roots: [join(root, "a")] }] };
    const confined = {
      ...probeContext({ config, bounds: { confined: true }, stateDirectory: context.stateDirectory }),
    };
    await assert.rejects(invoke(invalidate, { paths: [join(root, "b")] }, confined), failsWith("forbidden"));
    assert.equal((await invoke(invalidate, { all: true }, confined)).entries, 2);
    assert.equal(await left(), 1);
  });
});
