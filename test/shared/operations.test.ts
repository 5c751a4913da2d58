import assert from "node:assert/strict";
import { readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Ajv2020 } from "ajv/dist/2020.js";
import * as fc from "fast-check";

import { needsConversion, type ConversionWishes } from "../../shared/caches/directory/needs-conversion.ts";
import { CacheOpsError, invoke, operations, parse, type Context, type Operation } from "../../shared/index.ts";
import { stats } from "../../shared/operations/stats.ts";
import { makeContext } from "../support/context.ts";
import { startDockerList } from "../support/docker-list.ts";
import { KEY, makeJellyfin } from "../support/jellyfin.ts";
import { CACHE, copyLibrary, entryFor, fixtureJson, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

/** The parts of a JSON Schema these tests look at. */
interface Schema {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
}

const named = (name: string): Operation => {
  const found = operations.find((operation) => operation.name === name);
  assert.ok(found, name);
  return found;
};

describe("the registry", () => {
  it("holds each verb once, under a lower-case name", () => {
    const names = operations.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[a-z]+$/);
    for (const verb of [
      "list",
      "stats",
      "check",
      "cleanup",
      "repair",
      "apply",
      "undo",
      "history",
      "record",
      "doctor",
      "backup",
      "restore",
      "probe",
      "invalidate",
    ])
      assert.ok(names.includes(verb), verb);
  });

  it("gives only apply the right to destroy, and only apply, undo and those that add the right to write", () => {
    const withEffect = (effect: string) => operations.filter((one) => one.effect === effect).map(({ name }) => name);
    assert.deepEqual(withEffect("destroy"), ["apply"]);
    const adding = ["backup", "import", "invalidate", "record", "scan", "schedule", "undo"];
    const registering = ["forget", "pin", "reconcile", "register", "touch"];
    assert.deepEqual(withEffect("write").toSorted(), [...adding, ...registering].toSorted());
  });

  for (const operation of operations) {
    describe(operation.name, () => {
      const input = operation.input as Schema;

      it("has input and output schemas that compile in strict mode", () => {
        for (const schema of [operation.input, operation.output]) {
          new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);
        }
      });

      it("is described, and so is every property of its input", () => {
        assert.match(operation.title, /^[A-Z]/);
        assert.match(operation.description, /^[A-Z].{20,}\.$/s);
        for (const [name, schema] of Object.entries(input.properties ?? {}))
          assert.match(schema.description ?? "", /.{8,}/, name);
      });

      it("names a property of its input as the one without a name, or none", () => {
        if (operation.positional !== undefined) assert.ok(operation.positional in (input.properties ?? {}));
      });

      it("is closed: neither input nor output may have unknown properties", () => {
        for (const schema of [input, operation.output as Schema]) assert.equal(schema.additionalProperties, false);
      });

      it("refuses an unknown property, and names path, property and those that are known", async () => {
        const known = Object.keys(input.properties ?? {}).map((name) => JSON.stringify(name));
        const message = `(top level): unknown property "force"; known are ${known.join(", ")}`;
        await assert.rejects(invoke(operation, { force: true }, makeContext()), (error: unknown) => {
          assert.ok(error instanceof CacheOpsError && error.code === "invalid_input" && error.hint !== undefined);
          assert.ok(error.message.startsWith(`input of ${operation.name} is not valid: `), error.message);
          assert.ok(error.message.includes(message), error.message);
          return true;
        });
      });

      it("refuses values that are not allowed, and names path, rule and the allowed values", async () => {
        for (const [name, schema] of Object.entries(input.properties ?? {})) {
          const wrong = { [name]: schema.type === "array" ? [{ not: "this" }] : { not: "this" } };
          await assert.rejects(invoke(operation, wrong, makeContext()), (error: unknown) => {
            assert.ok(error instanceof CacheOpsError && error.code === "invalid_input", String(error));
            assert.ok(error.message.includes(`/${name}`), error.message);
            for (const value of schema.enum ?? schema.items?.enum ?? [])
              assert.ok(error.message.includes(JSON.stringify(value)), error.message);
            return true;
          });
        }
      });

      it("refuses anything that is no object", async () => {
        for (const value of [null, [], "x", 7, undefined])
          await assert.rejects(invoke(operation, value, makeContext()), failsWith("invalid_input"));
      });
    });
  }
});

describe("over the real library", () => {
  /** The library with something of everything: gone, changed and moved media, damage, leftovers. */
  function makeDisorder(): string {
    const root = copyLibrary();
    rmSync(join(root, "movies", "AV1 (2023)", "AV1 (2023).mkv"));
    writeFileSync(join(root, "movies", "HLG (2021)", "HLG (2021).mkv"), "changed");
    writeFileSync(join(root, "movies", "WMV (2004)", CACHE), '{"torn": ');
    const temp = join(root, "movies", "Upper (1990)", `${CACHE}.tmp`);
    writeFileSync(temp, "{");
    utimesSync(temp, 1_700_000_000, 1_700_000_000);
    return root;
  }

  /** Runs an operation and holds what it answers, as JSON, against its own output schema. */
  async function answer(name: string, input: Record<string, unknown>, context: Context) {
    const operation = named(name);
    const output = await invoke(operation, input, context);
    const json: unknown = JSON.parse(JSON.stringify(output));
    assert.deepEqual(parse(operation.output, structuredClone(json), name), json);
    assert.match(operation.view(output).title, /\S/);
    assert.match(operation.outcome(output), /^[a-z_]+$/);
    return output;
  }

  it("every operation answers in its own output schema, and those that read leave the library as it is", async () => {
    const managed = makePlace("managed");
    writeMedia(join(managed, "Alien"), "film.mkv");
    const docker = await startDockerList([{ id: "a1".repeat(32) }]);
    const { fetch, wait } = makeJellyfin();
    const context = makeContext({
      config: {
        managed: [{ name: "media", root: managed }],
        engines: [{ name: "ace", socket: docker.endpoint }],
        jellyfin: [{ name: "home", url: "http://home.local:8096" }],
      },
      jellyfin: { fetch, wait, token: async () => KEY },
    });
    const root = makeDisorder();
    const [before, managedBefore] = [treeState(root), treeState(managed)];
    const paths = [root];
    const answered = new Set<string>();
    const ask = (name: string, input: Record<string, unknown>) => {
      answered.add(name);
      return answer(name, input, context);
    };
    await ask("list", { paths });
    await ask("stats", { paths, downgradeResolution: true });
    const checked = await ask("check", { paths });
    assert.deepEqual(checked["byProblem"], { orphaned: 1, leftover: 1, changed: 1, corrupt: 1 });
    await ask("doctor", { paths });
    await ask("history", {});
    await ask("schedule", {});
    assert.equal((await ask("reconcile", {}))["registered"], 1);
    for (const name of ["register", "touch", "pin", "info"]) await ask(name, { path: "Alien" });
    await ask("pin", { path: "Alien", release: true });
    assert.equal((await ask("directories", {}))["registered"], 1);
    await ask("evict", { cache: ["media"], paths: ["Alien"], detail: "full" });
    await ask("warm", { paths: ["Alien"] });
    await ask("forget", { path: "Alien" });
    assert.deepEqual(treeState(managed), managedBefore);
    assert.equal(((await ask("engines", {})) as { caches: unknown[] }).caches.length, 1);
    assert.equal((await ask("empty", { detail: "full" }))["status"], "empty");
    assert.equal(((await ask("jellyfin", {})) as { servers: unknown[] }).servers.length, 1);
    assert.equal((await ask("clear", { detail: "full" }))["status"], "ready");
    await ask("probe", { paths, detail: "full" });
    await ask("stats", { paths });
    assert.ok(Number((await ask("invalidate", { all: true }))["entries"]) > 40);
    const { archive } = await ask("backup", { paths, archive: "before.tar.gz" });
    assert.equal((await ask("restore", { archive, detail: "full" }))["status"], "empty");
    const repair = await ask("repair", { paths, migrate: true, detail: "full" });
    const plan = await ask("cleanup", { paths, detail: "full" });
    await ask("cleanup", { paths: [join(root, "missing")] });
    assert.deepEqual(treeState(root), before);

    const report = await ask("apply", { plan: plan["plan"], detail: "full" });
    assert.equal(report["status"], "complete");
    assert.equal((await ask("apply", { plan: repair["plan"] }))["status"], "complete");
    await ask("record", { media: join(root, "movies", "HLG (2021)", "HLG (2021).mkv") });
    await ask("history", { run: report["run"] });
    await ask("history", { limit: 2 });
    assert.equal((await ask("undo", { run: report["run"], detail: "full" }))["status"], "complete");
    await ask("scan", { paths });
    await ask("import", { paths });
    assert.deepEqual([...answered].toSorted(), operations.map(({ name }) => name).toSorted());
  });

  it("finds nothing stale in either format", async () => {
    for (const which of ["library", "library-legacy"] as const) {
      const checked = await answer("check", { paths: [copyLibrary(which)] }, makeContext());
      assert.deepEqual([checked["byProblem"], checked["findings"], checked["errors"]], [{}, [], []]);
    }
  });
});

describe("stats", () => {
  interface Manifest {
    readonly caches: readonly { readonly dir: string; readonly entries: readonly { readonly hash: string }[] }[];
  }
  type Entry = Readonly<Record<string, string | number | boolean | null>>;
  type Verdicts = Readonly<Record<string, Readonly<Record<string, readonly string[] | string>>>>;

  const WISHES: Readonly<Record<string, ConversionWishes>> = {
    default: { forceStereo: false, downgradeResolution: false },
    force_stereo: { forceStereo: true, downgradeResolution: false },
    downgrade: { forceStereo: false, downgradeResolution: true },
  };

  /** Every entry of a library by the path of its media, read with another parser. */
  function entriesOf(root: string, which: string): Map<string, Entry> {
    const { caches } = fixtureJson(`${which}.manifest.json`) as Manifest;
    const entries = caches.flatMap(({ dir }) =>
      Object.values(JSON.parse(readFileSync(join(root, dir, CACHE), "utf8")) as Record<string, Entry>).map(
        (entry) => [`${dir}/${String(entry["file_name"])}`, entry] as const,
      ),
    );
    return new Map(entries);
  }

  for (const [option, wishes] of Object.entries(WISHES)) {
    it(`gives mediabox's own verdict for every file that it has in its cache (${option})`, () => {
      const verdicts = fixtureJson("library.needs_conversion.json") as Verdicts;
      const entries = entriesOf(copyLibrary(), "library");
      let compared = 0;
      for (const [path, verdict] of Object.entries(verdicts)) {
        const expected = verdict[option];
        const entry = entries.get(path);
        // A text is the exception that mediabox itself ends with; nothing cached is not ours to judge.
        if (entry === undefined || typeof expected === "string") continue;
        assert.deepEqual(needsConversion(new Map(Object.entries(entry)), wishes), expected, path);
        compared += 1;
      }
      assert.ok(compared >= entries.size - 2, String(compared));
    });
  }

  it("sums up both libraries as another reader does", async () => {
    for (const which of ["library", "library-legacy"] as const) {
      const root = copyLibrary(which);
      const entries = [...entriesOf(root, which).values()];
      const output = await invoke(stats, { paths: [root] }, makeContext());
      const { caches } = fixtureJson(`${which}.manifest.json`) as Manifest;
      assert.deepEqual([output.caches, output.totalFiles], [caches.length, entries.length]);
      assert.equal(output.hdrFiles, entries.filter((entry) => entry["is_hdr"] === true).length);
      const count = (field: string) => {
        const counts: Record<string, number> = {};
        for (const entry of entries) {
          const value = entry[field];
          const name = typeof value === "string" && value !== "" ? value : "unknown";
          counts[name] = (counts[name] ?? 0) + 1;
        }
        return counts;
      };
      assert.deepEqual(output.byCodecVideo, count("codec_video"));
      assert.deepEqual(output.byCodecAudio, count("codec_audio"));
      assert.deepEqual(output.byResolution, count("resolution"));
      assert.deepEqual(output.byAction, count("action"));
      assert.equal(
        output.mediaBytes,
        entries.reduce((sum, entry) => sum + Number(entry["file_size"]), 0),
      );
    }
  });

  it("counts what is to be converted, by reason, as mediabox's verdicts add up", async () => {
    const root = copyLibrary();
    const entries = entriesOf(root, "library");
    const verdicts = Object.entries(fixtureJson("library.needs_conversion.json") as Verdicts).flatMap(
      ([path, verdict]) => (entries.has(path) && typeof verdict["default"] === "object" ? [verdict["default"]] : []),
    );
    assert.equal(verdicts.length, entries.size);
    const byReason: Record<string, number> = {};
    for (const reason of verdicts.flat()) byReason[reason] = (byReason[reason] ?? 0) + 1;
    const output = await invoke(stats, { paths: [root] }, makeContext());
    assert.equal(output.needsConversion, verdicts.filter(({ length }) => length > 0).length);
    assert.deepEqual(output.needsConversionBy, byReason);
  });

  it("goes on over entries in which mediabox's own sums fail", async () => {
    const root = makePlace("odd");
    const paths = ["a.mkv", "b.mkv", "c.mp4", "d.mp4"].map((name) => writeMedia(root, name));
    const odd: readonly (readonly [string, string])[] = [
      ["bit_depth", "null"],
      ["bit_depth", '"10"'],
      ["height", "null"],
      ["audio_channels", "6"],
    ];
    writeCache(
      root,
      paths.map((path, index) => entryFor(path, [odd[index] ?? ["", ""], ["duration", "NaN"]])),
    );
    const output = await invoke(stats, { paths: [root], downgradeResolution: true, forceStereo: true }, makeContext());
    assert.deepEqual([output.totalFiles, output.needsConversion, output.errors], [4, 4, []]);
  });

  it("takes any text for a name of a codec, also one that JavaScript knows", async () => {
    const hostile = fc.constantFrom(
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
      "valueOf",
      "é\u0000",
      "NaN",
    );
    const property = fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 6 }), async (codecs) => {
      const root = makePlace("hostile");
      const paths = codecs.map((_, index) => writeMedia(root, `${index}.mkv`));
      writeCache(
        root,
        paths.map((path, index) => entryFor(path).replace('"h264"', JSON.stringify(codecs[index]))),
      );
      const output = await invoke(stats, { paths: [root] }, makeContext());
      const counts = new Map(Object.entries(output.byCodecVideo));
      for (const codec of codecs) assert.equal(counts.get(codec), codecs.filter((other) => other === codec).length);
      assert.equal(counts.size, new Set(codecs).size);
      assert.deepEqual(parse(stats.output, JSON.parse(JSON.stringify(output)), "stats"), output);
    });
    await fc.assert(property, { numRuns: 20 });
  });

  it("marks entries that still hold the probe data of before a conversion", async () => {
    const root = makePlace("inherited");
    const path = writeMedia(root, "a.mp4");
    const fields = [
      ["conversion_count", "1"],
      ["last_processed", '"2024-02-01T00:00:00"'],
    ] as const;
    writeCache(root, [entryFor(path, fields)]);
    makeMovies(join(root, "more"), ["b.mp4"]);
    const output = await invoke(stats, { paths: [root] }, makeContext());
    assert.deepEqual([output.totalFiles, output.inheritedProbe], [2, 1]);
  });
});
