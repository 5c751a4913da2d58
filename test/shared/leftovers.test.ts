import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { pid } from "node:process";

import { invoke } from "../../shared/index.ts";
import { newId } from "../../shared/ids.ts";
import { LOCK_SUFFIX, tempName } from "../../shared/naming.ts";
import { check } from "../../shared/operations/check.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { planCleanup } from "../support/runs.ts";

const HOUR = 3600;
const seconds = () => Date.now() / 1000;

/** A directory with a film and its cache, and a way to put things beside them that are some seconds old. */
function makeDirectoryWithFilm() {
  const root = makePlace("leftovers");
  makeMovies(root, ["film.mkv"]);
  const put = (name: string, text: string, ageSeconds: number) => {
    const path = join(root, name);
    writeFileSync(path, text);
    utimesSync(path, seconds() - ageSeconds, seconds() - ageSeconds);
    return path;
  };
  const found = async () => {
    const { findings } = await invoke(check, { paths: [root] }, makeContext());
    return findings.map(({ name, problem, reason }) => `${name} ${problem} ${reason.rule}`);
  };
  return { root, put, found };
}

/** A lock as mediabox writes it. */
function lockText(fields: { readonly pid: number; readonly ageSeconds: number; readonly host?: string }): string {
  const timestamp = seconds() - fields.ageSeconds;
  const lock = { lock_id: "host_1_0123abcd", hostname: fields.host ?? hostname(), pid: fields.pid, timestamp };
  return JSON.stringify({ ...lock, file: "/mnt/film.mkv", locked_at: "2024-01-15T10:20:30.123456" }, null, 2);
}

function deadPid(): number {
  const { pid } = spawnSync("true");
  assert.ok(pid > 0);
  return pid;
}

describe("leftovers", () => {
  it("are our own temp files after an hour, under any name we give them and no other", async () => {
    const { put, found } = makeDirectoryWithFilm();
    const name = tempName(newId("run"), 12);
    const path = put(name, "{", 2 * HOUR);
    put(".cache-ops-notes.txt", "", 2 * HOUR);
    put("x.cache-ops-run-1.tmp", "", 2 * HOUR);
    put("film.tmp", "", 2 * HOUR);
    assert.deepEqual(await found(), [`${name} leftover our_temp`]);
    utimesSync(path, seconds(), seconds());
    assert.deepEqual(await found(), []);
  });

  it("are our own locks that nobody keeps alive", async () => {
    const { root, put, found } = makeDirectoryWithFilm();
    const lock = join(root, `${CACHE}${LOCK_SUFFIX}`);
    mkdirSync(lock);
    assert.deepEqual(await found(), []);
    utimesSync(lock, seconds() - 120, seconds() - 120);
    assert.deepEqual(await found(), [`${CACHE}${LOCK_SUFFIX} leftover our_lock`]);
    put(`file${LOCK_SUFFIX}`, "", 9 * HOUR);
    assert.equal((await found()).length, 1);
  });

  it("are mediabox's temp file beside a cache, an hour after", async () => {
    const { put, found } = makeDirectoryWithFilm();
    put(`${CACHE}.tmp`, "{", 2 * HOUR);
    assert.deepEqual(await found(), [`${CACHE}.tmp leftover mediabox_temp`]);
    put(`${CACHE}.tmp`, "{", 60);
    assert.deepEqual(await found(), []);
  });

  it("are never mediabox's temp file where no cache is: it is the cache", async () => {
    const { root, put, found } = makeDirectoryWithFilm();
    rmSync(join(root, CACHE));
    for (const age of [1, 2 * HOUR, 10_000 * HOUR]) {
      put(`${CACHE}.tmp`, "{}", age);
      assert.deepEqual(await found(), ["null corrupt only_temp_file"]);
    }
    const plan = await planCleanup(makeContext(), [root]);
    assert.equal(plan.status, "empty");
  });

  it("are locks of mediabox whose process is dead or cannot be seen, after six hours", async () => {
    const { put, found } = makeDirectoryWithFilm();
    for (const host of [hostname(), "another-host"]) {
      put("film.mkv.lock", lockText({ pid: deadPid(), ageSeconds: 7 * HOUR, host }), 0);
      assert.deepEqual(await found(), ["film.mkv.lock leftover mediabox_lock"]);
      put("film.mkv.lock", lockText({ pid: deadPid(), ageSeconds: 5 * HOUR, host }), 99 * HOUR);
      assert.deepEqual(await found(), []);
    }
    put("film.mkv.mediabox.lock", lockText({ pid: deadPid(), ageSeconds: 7 * HOUR }), 0);
    put("film.mkv.lock", lockText({ pid, ageSeconds: 99 * HOUR }), 99 * HOUR);
    assert.deepEqual(await found(), ["film.mkv.mediabox.lock leftover mediabox_lock"]);
    // The number of a live process here says nothing about a process there.
    put("film.mkv.lock", lockText({ pid, ageSeconds: 7 * HOUR, host: "another-host" }), 0);
    assert.equal((await found()).length, 2);
  });

  it("are locks with a time stamp from the future by the age of their file", async () => {
    const { put, found } = makeDirectoryWithFilm();
    const text = lockText({ pid: deadPid(), ageSeconds: -10 * HOUR });
    put("film.mkv.lock", text, 7 * HOUR);
    assert.deepEqual(await found(), ["film.mkv.lock leftover mediabox_lock"]);
    put("film.mkv.lock", text, HOUR);
    assert.deepEqual(await found(), []);
  });

  it("are never locks of other programs, however old", async () => {
    const { root, put, found } = makeDirectoryWithFilm();
    const odd = ["", "[]", "null", "{}", '{"pid": 1}', "[[package]]", lockText({ pid: 1, ageSeconds: 0 }).slice(0, -5)];
    for (const [index, text] of odd.entries()) put(`other ${index}.lock`, text, 9999 * HOUR);
    put("Cargo.lock", 'version = 3\n\n[[package]]\nname = "x"\n', 9999 * HOUR);
    put("film.mkv.lock", "", 9999 * HOUR);
    put("huge.lock", lockText({ pid: deadPid(), ageSeconds: 9 * HOUR }).padEnd(70_000), 9 * HOUR);
    mkdirSync(join(root, "directory.lock"));
    assert.deepEqual(await found(), []);
  });

  it("go with a cleanup, while what is in use stops it", async () => {
    const { root, put } = makeDirectoryWithFilm();
    rmSync(join(root, "film.mkv"));
    put(tempName(newId("run"), 1), "{", 2 * HOUR);
    const idle = await planCleanup(makeContext(), [root]);
    assert.deepEqual(idle.byProblem, { orphaned: 1, leftover: 1 });
    put("film.mkv.lock", lockText({ pid, ageSeconds: 0 }), 0);
    const busy = await planCleanup(makeContext(), [root]);
    assert.equal(busy.status, "empty");
    assert.deepEqual(
      busy.skipped.map(({ rule, observed }) => [rule, observed]),
      [
        ["in_use", "film.mkv.lock"],
        ["in_use", "film.mkv.lock"],
      ],
    );
    const allowed = await planCleanup(makeContext(), [root], { allow: ["in_use"] });
    assert.deepEqual(allowed.byProblem, { orphaned: 1, leftover: 1 });
  });
});
