import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { getuid, seteuid } from "node:process";

import { fingerprint } from "../../shared/caches/directory/fingerprint.ts";
import { invoke } from "../../shared/index.ts";
import { setMtime } from "../../shared/mtime.ts";
import { check } from "../../shared/operations/check.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";

const look = (root: string) => invoke(check, { paths: [root] }, makeContext());

/** The findings below a root, one line each: directory, media, problem, rule. */
async function survey(root: string): Promise<string[]> {
  const { findings } = await look(root);
  return findings.map(
    ({ cache, name, problem, reason }) => `${relative(root, dirname(cache))}: ${name} ${problem} ${reason.rule}`,
  );
}

/** A directory `a` with a cache of these media, in a root of its own. */
function makeOne(...names: readonly string[]) {
  const root = makePlace("judge");
  const directory = makeDirectory(root, "a");
  makeMovies(directory, names);
  return { root, directory, cache: join(directory, CACHE) };
}

/** An entry of a media file whose key or text was changed. */
const altered = (path: string, from: string | RegExp, to: string) => entryFor(path).replaceAll(from, to);

interface Recorded {
  readonly cache: string;
  readonly key: string;
  readonly media: string;
}

/** Every entry in the caches of a real library. */
function recordedIn(root: string): Recorded[] {
  return globSync(`**/${CACHE}`, { cwd: root })
    .toSorted()
    .flatMap((path) => {
      const cache = join(root, path);
      const entries = JSON.parse(readFileSync(cache, "utf8")) as Record<string, { file_name: string }>;
      return Object.entries(entries).map(([key, { file_name }]) => ({
        cache,
        key,
        media: join(dirname(cache), file_name),
      }));
    });
}

for (const [which, caches, entries] of [
  ["library", 28, 43],
  ["library-legacy", 27, 42],
] as const) {
  describe(`check of the real ${which}`, () => {
    const inOrder = { caches, entries, byProblem: {}, findings: [], errors: [] };

    it("finds nothing, whatever path it is seen through", async () => {
      const root = copyLibrary(which);
      assert.deepEqual(await look(root), inOrder);
      const moved = join(makePlace("elsewhere"), "mount");
      renameSync(root, moved);
      assert.deepEqual(await look(moved), inOrder);
      const link = join(makePlace("link"), "root");
      symlinkSync(moved, link);
      assert.deepEqual(await look(link), inOrder);
      assert.deepEqual(await invoke(check, { paths: [join(link, "movies"), link, moved] }, makeContext()), inOrder);
    });

    it("finds nothing when every file_path is relative or names something else", async () => {
      const root = copyLibrary(which);
      for (const cache of new Set(recordedIn(root).map(({ cache }) => cache))) {
        const text = readFileSync(cache, "utf8");
        writeFileSync(cache, text.replaceAll(/"file_path": "\/Storage\/media\/[^/]*\//g, '"file_path": "'));
      }
      assert.deepEqual(await look(root), inOrder);
    });

    it("finds exactly the entries of deleted media, and says that it is gone", async () => {
      const root = copyLibrary(which);
      for (const [index, { media }] of recordedIn(root).entries()) if (index % 3 === 0) rmSync(media);
      const lost = recordedIn(root).filter(({ media }) => !existsSync(media));
      assert.ok(lost.length > 13);
      const { findings } = await look(root);
      assert.equal(findings.length, lost.length);
      assert.deepEqual(new Set(findings.map(({ entry }) => entry)), new Set(lost.map(({ key }) => key)));
      for (const { cache, name, problem, reason } of findings) {
        assert.deepEqual([problem, reason], ["orphaned", { rule: "media_gone", observed: "ENOENT" }]);
        assert.ok(lost.some(({ media }) => media === join(dirname(cache), name ?? "")));
      }
    });

    it("takes media that was touched or rewritten for changed, every single one, and for nothing worse", async () => {
      const root = copyLibrary(which);
      for (const [index, { media }] of recordedIn(root).entries()) {
        if (index % 3 === 0) utimesSync(media, 1_600_000_000.25, 1_600_000_000.25);
        else if (index % 3 === 1) truncateSync(media, 1);
        else appendFileSync(media, "more");
      }
      const found = await look(root);
      assert.deepEqual(found.byProblem, { changed: entries });
      for (const { reason, name, cache } of found.findings) {
        const { size, mtimeNs } = statSync(join(dirname(cache), name ?? ""), { bigint: true });
        assert.deepEqual(reason, { rule: "fingerprint_differs", observed: fingerprint(name ?? "", size, mtimeNs) });
      }
    });

    it("knows media that moved to another directory again, and where it is", async () => {
      const root = copyLibrary(which);
      const home = makeDirectory(root, "new home");
      const { media } = recordedIn(root).find(({ media }) => media.includes("Amélie")) ?? { media: "" };
      renameSync(media, join(home, basename(media)));
      const { findings } = await look(root);
      assert.equal(findings.length, 1);
      assert.equal(findings[0]?.cache, join(dirname(media), CACHE));
      assert.equal(findings[0]?.problem, "orphaned");
      assert.deepEqual(findings[0]?.reason, { rule: "media_moved", observed: join(home, basename(media)) });
    });

    it("reports damaged caches as such and judges all the others", async () => {
      const root = copyLibrary(which);
      const all = [...new Set(recordedIn(root).map(({ cache }) => cache))];
      const bad = ["[1]", '"x"', "", '{"a": 1', '\ufeff{"a": {}}', '{"a": "\xff"}'];
      for (const [index, text] of bad.entries())
        writeFileSync(all[index] ?? "", Buffer.from(text, index === 5 ? "latin1" : "utf8"));
      const found = await look(root);
      assert.equal(found.caches, caches);
      assert.deepEqual(found.byProblem, { corrupt: 6 });
      assert.deepEqual(
        bad.map((_, index) => found.findings.find(({ cache }) => cache === all[index])?.reason),
        [
          { rule: "not_an_object", observed: "byte 0" },
          { rule: "not_an_object", observed: "byte 0" },
          { rule: "empty_file", observed: "byte 0" },
          { rule: "invalid_json", observed: "byte 7" },
          { rule: "byte_order_mark", observed: "byte 0" },
          { rule: "invalid_utf8", observed: "byte 7" },
        ],
      );
      assert.ok(found.findings.every(({ entry, name }) => entry === null && name === null));
    });
  });
}

describe("the judgement of an entry", () => {
  it("is orphaned when its media was renamed, and orphaned is stale", async () => {
    const { root, directory } = makeOne("film.mkv", "other.mkv");
    renameSync(join(directory, "film.mkv"), join(directory, "Film (2001).mkv"));
    const found = await look(root);
    assert.deepEqual(await survey(root), ["a: film.mkv orphaned media_gone"]);
    assert.equal(check.outcome(found), "stale");
  });

  it("is superseded by the entry of the same media, wherever that entry stands in the file", async () => {
    const { root, directory } = makeOne();
    const entries = [10, 25, 40].map((time) => entryFor(writeMedia(directory, "film.mkv", "v", time)));
    for (const order of [entries, entries.toReversed()]) {
      writeCache(directory, order);
      assert.deepEqual(await survey(root), Array(2).fill("a: film.mkv superseded media_has_current_entry"));
    }
    writeCache(directory, entries.slice(0, 2));
    assert.deepEqual(await survey(root), Array(2).fill("a: film.mkv changed fingerprint_differs"));
  });

  it("is drifted when another file here has its fingerprint, whatever its names say", async () => {
    const { root, directory } = makeOne();
    const path = writeMedia(directory, "new.mp4");
    const legacy = '"file_path": "/mnt/old/new.mp4",\n    "file_name": "old.mkv"';
    for (const [entry, name] of [
      [altered(path, '"file_name": "new.mp4"', legacy), "old.mkv"],
      [altered(path, '"file_name": "new.mp4"', '"file_name": "../../etc/passwd"'), "../../etc/passwd"],
      [altered(path, '"file_name": "new.mp4"', '"file_name": null'), null],
      [altered(path, '"file_name": "new.mp4"', '"file_name": 7'), null],
      [altered(path, /\s*"file_name": "new.mp4",/g, ""), null],
    ] as const) {
      writeCache(directory, [entry]);
      const { findings } = await look(root);
      assert.deepEqual(
        findings.map(({ name, problem, reason }) => ({ name, problem, reason })),
        [{ name, problem: "drifted", reason: { rule: "name_differs", observed: "new.mp4" } }],
      );
    }
  });

  it("goes by the last component of file_path where there is no file_name, and by both where they differ", async () => {
    const { root, directory } = makeOne();
    const path = writeMedia(directory, "film.mkv");
    const nameless = altered(path, '"file_name": "film.mkv"', '"file_path": "/mnt/x/film.mkv"');
    writeCache(directory, [nameless]);
    assert.deepEqual(await survey(root), []);
    utimesSync(path, 5, 5);
    assert.deepEqual(await survey(root), ["a: film.mkv changed fingerprint_differs"]);
    writeCache(directory, [nameless.replace('"file_path"', '"file_name": "gone.mkv",\n    "file_path"')]);
    assert.deepEqual(await survey(root), ["a: gone.mkv changed fingerprint_differs"]);
    rmSync(path);
    assert.deepEqual(await survey(root), ["a: gone.mkv orphaned media_gone"]);
  });

  it("is corrupt when nothing names its media, or what names it is no name", async () => {
    const { root, directory } = makeOne();
    const path = writeMedia(directory, "film.mkv");
    const named = (json: string) => altered(path, '"file_name": "film.mkv"', `"file_name": ${json}`);
    const cases = [
      ['"../../etc/passwd"', "file_name_is_no_name"],
      ['""', "file_name_is_no_name"],
      ['"."', "file_name_is_no_name"],
      ['".."', "file_name_is_no_name"],
      ['"a/b.mkv"', "file_name_is_no_name"],
      ['"a\\u0000.mkv"', "file_name_is_no_name"],
      ["null", "file_name_missing"],
      ["[]", "file_name_missing"],
    ] as const;
    const entries = cases.map(([json]) => named(json));
    rmSync(path);
    for (const [index, [json, rule]] of cases.entries()) {
      writeCache(directory, entries.slice(index, index + 1));
      assert.deepEqual(
        (await look(root)).findings.map(({ problem, reason }) => [problem, reason.rule]),
        [["corrupt", rule]],
        json,
      );
    }
  });

  it("is corrupt when key or value is none that mediabox could have written", async () => {
    const { root, cache } = makeOne("film.mkv");
    const hash = "0123456789abcdef".repeat(4);
    const strange = `"version": 2, "k": null, "${hash.toUpperCase()}": {}, "__proto__": {}, "${hash}": [1], `;
    writeFileSync(cache, readFileSync(cache, "utf8").replace("{", `{${strange}`));
    const found = await look(root);
    assert.equal(found.entries, 6);
    assert.deepEqual(
      found.findings.map(({ entry, problem, reason }) => [entry, problem, reason.rule]),
      [
        ["version", "corrupt", "key_not_a_fingerprint"],
        ["k", "corrupt", "key_not_a_fingerprint"],
        [hash.toUpperCase(), "corrupt", "key_not_a_fingerprint"],
        ["__proto__", "corrupt", "key_not_a_fingerprint"],
        [hash, "corrupt", "entry_not_an_object"],
      ],
    );
  });

  it("is unreachable while a Unicode or case twin of its media is there", async () => {
    const { root, directory } = makeOne("Am\u00e9lie.mkv", "Film.mkv");
    renameSync(join(directory, "Am\u00e9lie.mkv"), join(directory, "Ame\u0301lie.mkv"));
    renameSync(join(directory, "Film.mkv"), join(directory, "FILM.mkv"));
    assert.deepEqual(await survey(root), [
      "a: Am\u00e9lie.mkv unreachable unicode_twin",
      "a: Film.mkv unreachable case_twin",
    ]);
  });

  it("keeps media whose time a mount cut, on either side, at every granularity and every kind of time", async () => {
    const { root, directory } = makeOne();
    const media = writeMedia(directory, "film.mkv");
    const exact = [
      1_500_086_413_123_456_789n,
      1_700_000_000_999_999_999n,
      1_712_345_678_000_001_000n,
      1_503_542_933_500_000_500n,
    ];
    for (const whole of exact) {
      for (const step of [100n, 1000n, 1_000_000n, 1_000_000_000n, 2_000_000_000n]) {
        const cut = whole - (whole % step);
        for (const [recorded, now] of [
          [whole, cut],
          [cut, whole],
        ] as const) {
          assert.ok(await setMtime(media, recorded));
          writeCache(directory, [entryFor(media)]);
          assert.ok(await setMtime(media, now));
          const { findings } = await look(root);
          const rules = findings.map(({ problem, reason }) => `${problem} ${reason.rule}`);
          const same = "changed time_cut_by_another_mount";
          const isCurrent = readFileSync(join(directory, CACHE), "utf8").includes(fingerprint("film.mkv", 5n, now));
          assert.deepEqual(rules, isCurrent ? [] : [same], `${recorded} seen as ${now}`);
        }
      }
    }
    const plan = await invoke(cleanup, { paths: [root], changed: true }, makeContext());
    assert.deepEqual([plan.status, plan.skipped.map(({ rule }) => rule)], ["empty", ["probably_unchanged"]]);
  });

  it("survives sizes and times that no file can have", async () => {
    const { root, directory } = makeOne();
    const entry = entryFor(writeMedia(directory, "film.mkv"));
    writeMedia(directory, "film.mkv", "MEDIA", 5);
    for (const number of ["NaN", "-Infinity", "1e400", "1e305", "-1e308", "1.5", '"N/A"', "null", "[]"]) {
      const text = entry.replace(/"file_mtime": [\d.]+/, `"file_mtime": ${number}`);
      writeCache(directory, [text]);
      assert.deepEqual(await survey(root), ["a: film.mkv changed fingerprint_differs"], number);
      writeCache(directory, [text.replace(/"file_size": \d+/, `"file_size": ${number}`)]);
      assert.deepEqual(await survey(root), ["a: film.mkv changed fingerprint_differs"], number);
    }
  });

  it("counts a link that leads nowhere as gone only when it leads into the library", async () => {
    const { root, directory } = makeOne();
    const outside = makePlace("outside");
    const targets = [
      [writeMedia(join(root, "store"), "inside.mkv"), "in.mkv"],
      [writeMedia(outside, "outside.mkv"), "out.mkv"],
    ] as const;
    for (const [target, link] of targets) symlinkSync(target, join(directory, link));
    symlinkSync("../store/relative.mkv", join(directory, "relative.mkv"));
    writeMedia(join(root, "store"), "relative.mkv");
    writeCache(
      directory,
      ["in.mkv", "out.mkv", "relative.mkv"].map((name) => entryFor(join(directory, name))),
    );
    assert.deepEqual(await survey(root), []);
    rmSync(join(root, "store"), { recursive: true });
    rmSync(join(outside, "outside.mkv"));
    assert.deepEqual(await survey(root), [
      "a: in.mkv orphaned media_gone",
      "a: out.mkv unreachable link_leads_outside_the_library",
      "a: relative.mkv orphaned media_gone",
    ]);
  });

  it("is unreachable when the system answers anything but yes or no", async () => {
    const { root, directory } = makeOne("loop.mkv", "directory.mkv", "pipe.mkv", "long.mkv", "file.mkv");
    for (const name of ["loop", "directory", "pipe", "long", "file"]) rmSync(join(directory, `${name}.mkv`));
    symlinkSync("loop.mkv", join(directory, "loop.mkv"));
    mkdirSync(join(directory, "directory.mkv"));
    execFileSync("mkfifo", [join(directory, "pipe.mkv")]);
    symlinkSync(`${CACHE}/below a file`, join(directory, "file.mkv"));
    const cache = join(directory, CACHE);
    writeFileSync(cache, readFileSync(cache, "utf8").replace('"long.mkv"', `"${"n".repeat(256)}"`));
    assert.deepEqual(await survey(root), [
      "a: loop.mkv unreachable media_unreadable",
      "a: directory.mkv unreachable not_a_regular_file",
      "a: pipe.mkv unreachable not_a_regular_file",
      `a: ${"n".repeat(256)} unreachable media_unreadable`,
      // ENOTDIR is the other way to say that nothing is there.
      "a: file.mkv orphaned media_gone",
    ]);
  });

  it("is unreachable when its name is not valid UTF-8, and so is the file, which is reported and kept", async () => {
    const { root, directory } = makeOne();
    const surrogate = altered(writeMedia(directory, "cafe.mkv"), '"cafe.mkv"', '"caf\\udce9.mkv"');
    rmSync(join(directory, "cafe.mkv"));
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/caf`), Buffer.from([0xe9]), Buffer.from(".mkv")]), "media");
    writeCache(directory, [surrogate]);
    assert.deepEqual(await survey(root), ["a: caf\udce9.mkv unreachable name_not_utf8"]);
    assert.deepEqual(
      (await look(root)).errors.map(({ code }) => code),
      ["name_not_utf8"],
    );
  });

  it("is that of the last occurrence of a key, once", async () => {
    const { root, directory } = makeOne();
    const entry = entryFor(writeMedia(directory, "film.mkv"));
    const other = entry.replace('"file_name": "film.mkv"', '"file_name": "other.mkv"');
    writeCache(directory, [other, entry]);
    assert.deepEqual(await survey(root), []);
    assert.equal((await look(root)).entries, 1);
    rmSync(join(directory, "film.mkv"));
    writeCache(directory, [entry, other]);
    assert.deepEqual(await survey(root), ["a: other.mkv orphaned media_gone"]);
  });

  it("names media exactly, and shows no character that could deceive a reader", async () => {
    const names = ["new\nline.mkv", "\u001b[31mred.mkv", "\u202egnp.mkv", "tab\t\u0085.mkv", "日本 'x' \"y\" \\z.mkv"];
    const { root, directory } = makeOne(...names);
    for (const name of names) rmSync(join(directory, name));
    const found = await look(root);
    assert.deepEqual(
      found.findings.map(({ name, problem }) => [name, problem]),
      names.map((name) => [name, "orphaned"]),
    );
    const shown = (check.view(found).table?.rows ?? []).flat().join("|");
    assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}]/u);
    assert.match(shown, /日本 'x'/);
  });
});

describe("a cache file", () => {
  it("may be a link inside the library: it is about the directory of the link", async () => {
    const { root, directory, cache } = makeOne("film.mkv");
    makeDirectory(root, "store");
    renameSync(cache, join(root, "store", "shared.json"));
    symlinkSync("../store/shared.json", cache);
    assert.deepEqual(await survey(root), []);
    assert.equal((await look(root)).entries, 1);
    rmSync(join(directory, "film.mkv"));
    assert.deepEqual(await survey(root), ["a: film.mkv orphaned media_gone"]);
  });

  it("is unreachable when it is a link that leads outside the library or nowhere", async () => {
    const { root, directory, cache } = makeOne("film.mkv");
    rmSync(join(directory, "film.mkv"));
    const outside = join(makePlace("outside"), "cache.json");
    renameSync(cache, outside);
    symlinkSync(outside, cache);
    assert.deepEqual(await survey(root), ["a: null unreachable cache_outside_the_library"]);
    rmSync(outside);
    assert.deepEqual(await survey(root), ["a: null unreachable cache_unreadable"]);
  });

  it("that is a pipe or a directory is corrupt, and is not waited for", async () => {
    const { root, cache } = makeOne("film.mkv");
    rmSync(cache);
    execFileSync("mkfifo", [cache]);
    assert.deepEqual(await survey(root), ["a: null corrupt not_a_readable_file"]);
    rmSync(cache);
    mkdirSync(cache);
    assert.deepEqual(await survey(root), ["a: null corrupt not_a_readable_file"]);
  });

  it("where media moved to is not waited for when it is a pipe, and is followed when it is a link", async () => {
    const { root, directory, cache } = makeOne("film.mkv");
    const home = makeDirectory(root, "home");
    renameSync(join(directory, "film.mkv"), join(home, "film.mkv"));
    execFileSync("mkfifo", [join(home, CACHE)]);
    const moved = "a: film.mkv orphaned media_moved";
    assert.deepEqual(await survey(root), [moved, "home: null corrupt not_a_readable_file"]);
    rmSync(join(home, CACHE));
    writeFileSync(join(root, "store.json"), readFileSync(cache));
    symlinkSync("../store.json", join(home, CACHE));
    assert.deepEqual(await survey(root), ["a: film.mkv superseded media_moved_and_cached_there"]);
  });

  it("or directory that may not be read is reported, and its entries are not judged", async () => {
    const { root, directory, cache } = makeOne("film.mkv");
    makeMovies(join(root, "b"), ["film.mkv", "gone.mkv"]);
    rmSync(join(root, "b", "gone.mkv"));
    rmSync(join(directory, "film.mkv"));
    makeMovies(join(root, "c"), ["film.mkv"]);
    rmSync(join(root, "c", "film.mkv"));
    chmodSync(root, 0o755);
    chmodSync(cache, 0);
    chmodSync(join(root, "c"), 0);
    // The super-user may read everything, so it steps down for the look.
    const isRoot = getuid?.() === 0;
    try {
      if (isRoot) seteuid?.(65_534);
      const { errors } = await look(root);
      assert.deepEqual(
        errors.map(({ path, code }) => [relative(root, path), code]),
        [
          [`a/${CACHE}`, "EACCES"],
          ["c", "EACCES"],
        ],
      );
      assert.deepEqual(await survey(root), ["a: null unreachable cache_unreadable", "b: gone.mkv orphaned media_gone"]);
    } finally {
      if (isRoot) seteuid?.(0);
      chmodSync(join(root, "c"), 0o755);
    }
    assert.deepEqual(readdirSync(join(root, "c")), [CACHE]);
  });
});
