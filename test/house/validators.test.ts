import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

import type { ValidateFunction } from "ajv/dist/2020.js";

import { byHash, writeValidators } from "../../schemas/validators.ts";
import { compile, compileQuick } from "../../shared/compile.ts";
import { makePlace } from "../support/place.ts";

const WRONG: readonly unknown[] = [null, [], {}, "x", -1, true, { unknown: 1 }];

describe("a schema that was compiled when the product was built", () => {
  const load = createRequire(import.meta.url);
  let place: string;

  before(async function () {
    this.timeout(60_000);
    place = makePlace("validators");
    await writeValidators(place);
  });

  it("takes and refuses the same values as one that is compiled when it is needed, in the same words", () => {
    let refused = 0;
    for (const [hash, schema] of byHash) {
      const built = load(join(place, "validators", `${hash}.cjs`)) as ValidateFunction;
      const fresh = compile(schema);
      for (const value of valuesFor(schema)) {
        const verdicts = [built, fresh].map((check) => {
          const own = structuredClone(value);
          return { valid: check(own), value: own, errors: check.errors };
        });
        assert.deepEqual(verdicts[0], verdicts[1]);
        if (verdicts[0]?.valid === false) refused += 1;
      }
    }
    assert.ok(refused > byHash.size);
  });

  it("is taken for the same by the quick check, which fills in the same defaults", () => {
    let refused = 0;
    for (const [hash, schema] of byHash) {
      const built = load(join(place, "validators", `${hash}-quick.cjs`)) as ValidateFunction;
      const checks = [built, compileQuick(schema), compile(schema)];
      for (const value of valuesFor(schema)) {
        const verdicts = checks.map((check) => {
          const own = structuredClone(value);
          return check(own) ? { valid: true, value: own } : { valid: false };
        });
        assert.deepEqual(verdicts[0], verdicts[2]);
        assert.deepEqual(verdicts[1], verdicts[2]);
        if (verdicts[0]?.valid === false) refused += 1;
      }
    }
    assert.ok(refused > byHash.size);
  });
});

function valuesFor(schema: object): readonly unknown[] {
  const properties = "properties" in schema ? Object.keys(schema.properties as object) : [];
  return [...WRONG, ...properties.flatMap((name) => WRONG.map((value) => ({ [name]: value })))];
}
