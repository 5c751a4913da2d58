import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import * as fc from "fast-check";

import { findMember, memberPath } from "../../../shared/caches/managed/member-path.ts";
import { isInside, type ErrorCode } from "../../../shared/index.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { treeState } from "../../support/tree.ts";
import { fill, managedContext, managedSettings } from "./managed-place.ts";

/** A root among neighbours that must not be reached. */
function makeScene() {
  const place = makePlace("member");
  const root = join(place, "root");
  for (const name of ["Artist", "Artist/Album", "a b", "..hidden", "...", "%2e%2e", "back\\slash", "naïve", "~"]) {
    fill(root, `${name}/file`);
  }
  for (const name of ["victim", "root-evil", "rootArtist"]) fill(place, `${name}/file`);
  fill(root, ".cache-ops-quarantine/old/file");
  fill(root, "Film.cache-ops-lock/owner.json");
  writeFileSync(join(root, "plain"), "file");
  symlinkSync(join(place, "victim"), join(root, "link"));
  symlinkSync("Artist", join(root, "link-inside"));
  symlinkSync("..", join(root, "up"));
  symlinkSync("nowhere", join(root, "dangling"));
  symlinkSync(join(place, "victim"), join(root, "Artist", "link"));
  mkdirSync(join(place, "links"));
  symlinkSync(root, join(place, "links", "root"));
  return { place, root };
}

const LONG = "x".repeat(256);

/** What must be refused in a cache of depth 1; `R` stands for the root, `P` for the directory it lies in. */
const HOSTILE: readonly (readonly [word: string, code: ErrorCode])[] = [
  ["", "invalid_input"],
  [" ", "not_found"],
  [".", "invalid_input"],
  ["./", "invalid_input"],
  ["./.", "invalid_input"],
  [".//.", "invalid_input"],
  ["..", "forbidden"],
  ["../", "forbidden"],
  ["../..", "forbidden"],
  ["../victim", "forbidden"],
  ["../../etc", "forbidden"],
  ["../root/Artist", "forbidden"],
  ["../root-evil", "forbidden"],
  ["Artist/..", "forbidden"],
  ["Artist/../..", "forbidden"],
  ["Artist/../../victim", "forbidden"],
  ["Artist/../Artist", "forbidden"],
  ["./../victim", "forbidden"],
  [".//../victim", "forbidden"],
  ["....//victim", "invalid_input"],
  ["./Artist", "invalid_input"],
  ["Artist/.", "invalid_input"],
  ["Artist/./Album", "invalid_input"],
  ["/", "forbidden"],
  ["//", "forbidden"],
  ["///", "forbidden"],
  ["/.", "forbidden"],
  ["/..", "forbidden"],
  ["/etc", "forbidden"],
  ["//etc", "forbidden"],
  ["/etc/passwd", "forbidden"],
  ["/proc/self/root/etc", "forbidden"],
  ["/proc/self/cwd", "forbidden"],
  ["/root-evil", "forbidden"],
  ["R", "invalid_input"],
  ["R/", "invalid_input"],
  ["R//", "invalid_input"],
  ["R/.", "invalid_input"],
  ["R/..", "forbidden"],
  ["R/../victim", "forbidden"],
  ["R/../root/Artist", "forbidden"],
  ["R-evil", "forbidden"],
  ["R-evil/", "forbidden"],
  ["R/../root-evil", "forbidden"],
  ["P", "forbidden"],
  ["P/victim", "forbidden"],
  ["P/rootArtist", "forbidden"],
  ["P/links/root/Artist", "forbidden"],
  ["//P/victim", "forbidden"],
  ["\0", "invalid_input"],
  ["Artist\0", "invalid_input"],
  ["Artist\0/../../victim", "invalid_input"],
  ["R/Artist\0.txt", "invalid_input"],
  ["\ud800", "invalid_input"],
  ["Artist\udc00", "invalid_input"],
  [LONG, "invalid_input"],
  [`R/${LONG}`, "invalid_input"],
  ["..%2Fvictim", "not_found"],
  ["..%2F..%2Fvictim", "not_found"],
  ["%2e%2e/%2e%2e/victim", "invalid_input"],
  ["%2e%2e%2fvictim", "not_found"],
  ["..%5cvictim", "not_found"],
  ["..\\victim", "not_found"],
  ["..\\..\\etc", "not_found"],
  ["C:\\Windows", "not_found"],
  ["\\\\host\\share", "not_found"],
  ["file:///etc", "invalid_input"],
  ["~root", "not_found"],
  ["$HOME", "not_found"],
  ["*", "not_found"],
  ["[A]rtist", "not_found"],
  ["artist", "not_found"],
  ["Artist ", "not_found"],
  ["nai\u0308ve", "not_found"],
  ["\u202etsitrA", "not_found"],
  ["\u2024\u2024", "not_found"],
  ["\uff0e\uff0e/victim", "invalid_input"],
  ["Artist/Album", "invalid_input"],
  ["R/Artist/Album", "invalid_input"],
  ["Artist/Album/../..", "forbidden"],
  ["plain", "invalid_input"],
  ["plain/..", "forbidden"],
  ["link", "forbidden"],
  ["link/", "forbidden"],
  ["R/link", "forbidden"],
  ["link-inside", "forbidden"],
  ["up", "forbidden"],
  ["up/victim", "invalid_input"],
  ["dangling", "forbidden"],
  [".cache-ops-quarantine", "forbidden"],
  [".cache-ops-quarantine/", "forbidden"],
  ["R/.cache-ops-quarantine", "forbidden"],
  [".CACHE-OPS-QUARANTINE", "forbidden"],
  [".cache-ops-quarantine/old", "forbidden"],
  [".cache-ops-r1-1.tmp", "forbidden"],
  ["Film.cache-ops-lock", "forbidden"],
  ["nothing", "not_found"],
];

describe("paths of members", () => {
  const { place, root } = makeScene();
  const cache = managedSettings(root);
  const context = managedContext([cache]);
  const real = (word: string) =>
    word.replaceAll(/(?<![a-zA-Z])R(?=$|[/-])/g, root).replaceAll(/(?<![a-zA-Z])P(?=$|\/)/g, place);

  it(`refuses ${HOSTILE.length} hostile words, each with its code, and changes nothing`, async () => {
    const before = treeState(place);
    for (const [word, code] of HOSTILE) {
      await assert.rejects(findMember(cache, real(word), context), failsWith(code), JSON.stringify(word));
    }
    assert.deepEqual(treeState(place), before);
    assert.ok(HOSTILE.length >= 60);
  });

  it("takes odd names that are there, and normalises slashes", async () => {
    for (const [word, path] of [
      ["Artist", "Artist"],
      ["Artist/", "Artist"],
      ["Artist///", "Artist"],
      ["R/Artist", "Artist"],
      ["R//Artist/", "Artist"],
      ["/R/Artist", "Artist"],
      ["a b", "a b"],
      ["..hidden", "..hidden"],
      ["...", "..."],
      ["%2e%2e", "%2e%2e"],
      ["back\\slash", "back\\slash"],
      ["naïve", "naïve"],
      ["~", "~"],
    ] as const) {
      const member = await findMember(cache, real(word), context);
      assert.deepEqual([member.path, member.directory], [path, join(root, path)], word);
    }
  });

  it("takes only its own depth", async () => {
    const deep = managedSettings(root, { depth: 2 });
    assert.equal((await findMember(deep, "Artist/Album", context)).path, "Artist/Album");
    assert.equal((await findMember(deep, "Artist//Album/", context)).path, "Artist/Album");
    await assert.rejects(findMember(deep, "Artist", context), failsWith("invalid_input", /1 deep.*2 deep/));
    await assert.rejects(findMember(deep, "Artist/link", context), failsWith("forbidden", /link/));
    await assert.rejects(findMember(deep, "link/file", context), failsWith("forbidden", /link/));
    await assert.rejects(findMember(deep, "link-inside/Album", context), failsWith("forbidden", /link/));
    await assert.rejects(findMember(deep, "up/victim", context), failsWith("forbidden", /link/));
    await assert.rejects(findMember(deep, "plain/x", context), failsWith("invalid_input", /not a directory/));
    await assert.rejects(findMember(deep, ".cache-ops-quarantine/old", context), failsWith("forbidden"));
  });

  it("reaches a root through a link, and members of it by its real path and by the link", async () => {
    const linked = managedSettings(join(place, "links", "root"));
    for (const word of ["Artist", join(linked.root, "Artist"), join(root, "Artist")]) {
      const { path, directory } = await findMember(linked, word, context);
      assert.deepEqual([path, directory], ["Artist", join(root, "Artist")]);
    }
  });

  it("says nothing about members of a root that is missing, empty, a file or relative", async () => {
    const odd = makePlace("odd");
    const missing = managedSettings(join(odd, "missing"));
    await assert.rejects(findMember(missing, "x", context), failsWith("not_found", /root of media/));
    await assert.rejects(findMember(managedSettings(odd), "x", context), failsWith("unavailable", /mounted/));
    const file = managedSettings(join(root, "plain"));
    await assert.rejects(findMember(file, "x", context), failsWith("invalid_input", /not a directory/));
    await assert.rejects(findMember(managedSettings("relative"), "x", context), failsWith("invalid_input", /absolute/));
  });

  it("never leads outside, whatever the text", () => {
    const part = fc.constantFrom("..", ".", "", "a", "Artist", "/", "\\", "%2e", "\0", "//", "link", "…", root, place);
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 8 }), fc.constantFrom("", "/"), (parts, glue) => {
        let path: string;
        try {
          path = memberPath(cache, parts.join(glue));
        } catch (error) {
          failsWith((error as { code: ErrorCode }).code)(error);
          return;
        }
        const full = join(root, path);
        assert.ok(isInside(root, full) && full !== root, path);
        assert.equal(full, `${root}/${path}`);
        assert.ok(!path.includes("/"));
      }),
      { numRuns: 5000 },
    );
  });

  after(() => rmSync(join(root, "link"), { force: true }));
});
