import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

import { Ajv2020 } from "ajv/dist/2020.js";

import { operations } from "../../shared/index.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

describe("generated files", () => {
  it("are what the registry yields", () => {
    const { status, stderr } = spawnSync(execPath, [join(ROOT, "schemas/generate.ts"), "--check"], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  });

  it("are schemas that a strict validator compiles", () => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    const names = readdirSync(join(ROOT, "schemas"), { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".schema.json"),
    );
    assert.equal(names.length, 4 + 2 * operations.length);
    for (const name of names) ajv.compile(JSON.parse(readFileSync(join(ROOT, "schemas", name), "utf8")) as object);
  });

  it("describe the cache files that mediabox really wrote", async () => {
    const { copyLibrary, CACHE } = await import("../support/library.ts");
    const schema = JSON.parse(readFileSync(join(ROOT, "schemas/mediabox-cache.schema.json"), "utf8")) as object;
    const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);
    for (const which of ["library", "library-legacy"] as const) {
      const library = copyLibrary(which);
      const caches = readdirSync(library, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(CACHE));
      assert.ok(caches.length >= 27);
      for (const cache of caches) {
        assert.ok(validate(JSON.parse(readFileSync(join(library, cache), "utf8"))), JSON.stringify(validate.errors));
      }
    }
  });

  it("name no host of a registry and no path of a machine", () => {
    const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8");
    assert.doesNotMatch(lock, /"resolved": "https?:/);
  });
});
