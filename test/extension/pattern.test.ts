import { equal, ok } from "node:assert/strict";

import fc from "fast-check";

import { patternOf } from "../../extension/pattern.ts";
import { patternFilter } from "../../shared/policy.ts";
import type { Found } from "../../shared/scan.ts";

/** Matches paths below a root as a plan does. */
function matcher(pattern: string): (path: string) => boolean {
  const outside = patternFilter([pattern], []);
  const found = (name: string): Found => ({
    finding: {
      kind: "directory",
      cache: "/root/.mediabox_cache.json",
      entry: null,
      name,
      problem: "orphaned",
      reason: { rule: "media_gone", observed: null },
    },
    root: "/root",
    evidence: [],
    lastSeen: undefined,
  });
  return (path) => outside(found(path)) === undefined;
}

describe("the pattern of a path", () => {
  const character = fc.constantFrom(...Array.from("ab *?[]{}()!+@|\"$^,<>&#~.-=;:%'é日"), "🎬");
  const name = fc.string({ unit: character, minLength: 1, maxLength: 12 }).filter((text) => !/^\.\.?$/.test(text));

  it("matches that path and no other", () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), name, (parts, other) => {
        const path = parts.join("/");
        const matches = matcher(patternOf(path));
        ok(matches(path), path);
        ok(!matches(`${path}x`), path);
        ok(!matches(`x/${path}`), path);
        if (other !== path) ok(!matches(other), other);
      }),
      { numRuns: 2000 },
    );
  });

  it("lets any one character stand for a backslash and a line break", () => {
    ok(matcher(patternOf("100% \\ back\nline.mkv"))("100% \\ back\nline.mkv"));
    ok(!matcher(patternOf("100% \\ back.mkv"))("100% back.mkv"));
  });

  it("goes with a star for what lies in a directory itself", () => {
    equal(matcher(`${patternOf("tv/Show [1]")}/*`)("tv/Show [1]/a.mkv"), true);
    equal(matcher(`${patternOf("tv/Show [1]")}/*`)("tv/Show [1]/Season 1/a.mkv"), false);
    equal(matcher("./*")("a.mkv"), true);
    equal(matcher("./*")("tv/a.mkv"), false);
  });
});
