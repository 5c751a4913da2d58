import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { assertConfined, CacheOpsError, invoke, type Context } from "../../../shared/index.ts";
import { directories } from "../../../shared/operations/directories.ts";
import { doctor } from "../../../shared/operations/doctor.ts";
import { evict } from "../../../shared/operations/evict.ts";
import { forget } from "../../../shared/operations/forget.ts";
import { info } from "../../../shared/operations/info.ts";
import { pin } from "../../../shared/operations/pin.ts";
import { reconcile } from "../../../shared/operations/reconcile.ts";
import { register } from "../../../shared/operations/register.ts";
import { stats } from "../../../shared/operations/stats.ts";
import { touch } from "../../../shared/operations/touch.ts";
import { mountTmpfs, unmountAll } from "../../faults/mounts.ts";
import { cli, cliEnvironment } from "../../support/cli.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { treeState } from "../../support/tree.ts";
import { fill, managedContext, managedSettings, setAge } from "./managed-place.ts";

/** Two managed caches: `media` of three directories, 6000 bytes of 6400, and `music` of one. */
function makeScene(parts: Parameters<typeof managedSettings>[1] = {}) {
  const [root, other] = [makePlace("media"), makePlace("music")];
  for (const [index, name] of ["Alien", "Brazil", "Cube"].entries()) {
    fill(root, `${name}/film.mkv`, (index + 1) * 1000, 86_400 * (3 - index));
    setAge(join(root, name), 86_400 * (3 - index));
  }
  fill(other, "Album/song.flac", 10);
  const media = managedSettings(root, { maxBytes: 6400, ttl: "30d", ...parts });
  const context = managedContext([media, { ...managedSettings(other), name: "music" }]);
  return { root, other, context };
}

const listed = async (context: Context, input: Record<string, unknown> = {}) =>
  (await invoke(directories, { cache: "media", ...input }, context)).directories.map(({ path }) => path);

describe("operations on managed directories", () => {
  after(unmountAll);

  it("choose the cache by name or by an absolute path, and ask where neither says it", async () => {
    const { root, other, context } = makeScene();
    assert.equal((await invoke(register, { path: join(other, "Album") }, context)).cache, "music");
    assert.equal((await invoke(register, { path: "Alien", cache: "media" }, context)).cache, "media");
    await assert.rejects(invoke(register, { path: "Alien" }, context), failsWith("invalid_input", /not clear/));
    await assert.rejects(invoke(directories, {}, context), (error) => {
      return error instanceof CacheOpsError && /media, music/.test(error.hint ?? "");
    });
    await assert.rejects(invoke(directories, { cache: "films" }, context), failsWith("invalid_input", /films/));
    await assert.rejects(invoke(register, { path: `${root}-evil/Alien` }, context), failsWith("forbidden"));
    await assert.rejects(
      invoke(register, { path: join(other, "Album"), cache: "media" }, context),
      failsWith("forbidden", /outside the managed cache media/),
    );
    await assert.rejects(invoke(directories, {}, managedContext([])), failsWith("not_found", /none|no managed/));
    const relative = managedContext([managedSettings("media")]);
    await assert.rejects(invoke(reconcile, {}, relative), failsWith("invalid_input", /not an absolute path/));
    const only = managedContext([managedSettings(root)]);
    assert.equal((await invoke(register, { path: "Alien" }, only)).cache, "media");
  });

  it("register with real sizes, any number of times, and correct what grew", async () => {
    const { root, context } = makeScene();
    const path = "Alien";
    const first = await invoke(register, { path, cache: "media", refillSeconds: 60 }, context);
    assert.deepEqual([first.isNew, first.previousBytes, first.directory.bytes], [true, null, 1000]);
    for (let time = 0; time < 5; time += 1) await invoke(register, { path: join(root, path) }, context);
    fill(root, "Alien/deep/extra", 250);
    const again = await invoke(register, { path, cache: "media" }, context);
    assert.deepEqual([again.isNew, again.previousBytes, again.directory.bytes], [false, 1000, 1250]);
    assert.equal(again.directory.refillSeconds, 60);
    const all = await invoke(directories, { cache: "media" }, context);
    assert.deepEqual([all.registered, all.bytes, all.maxBytes], [1, 1250, 6400]);
    await assert.rejects(invoke(register, { path: "Dune", cache: "media" }, context), failsWith("not_found"));
  });

  it("extend the TTL by a touch, count hits and misses, and touch nothing that is gone", async () => {
    const { root, context } = makeScene();
    await invoke(reconcile, { cache: "media" }, context);
    assert.deepEqual(await listed(context, { order: "oldest" }), ["Alien", "Brazil", "Cube"]);
    const { directory } = await invoke(touch, { path: "Alien", cache: "media" }, context);
    assert.equal(directory.accesses, 1);
    const days = (new Date(directory.expiresAt ?? 0).getTime() - Date.now()) / 86_400_000;
    assert.ok(days > 29.9 && days <= 30, `${days}`);
    assert.deepEqual(await listed(context, { order: "oldest" }), ["Brazil", "Cube", "Alien"]);
    fill(root, "New/file");
    for (const path of ["Dune", "New"]) {
      await assert.rejects(invoke(touch, { path, cache: "media" }, context), failsWith("not_found"));
    }
    await assert.rejects(invoke(touch, { path: "../x", cache: "media" }, context), failsWith("forbidden"));
    rmSync(join(root, "Cube"), { recursive: true });
    await assert.rejects(invoke(touch, { path: "Cube", cache: "media" }, context), failsWith("not_found", /exist/));
    const [figures] = (await invoke(stats, {}, context)).managed ?? [];
    assert.deepEqual([figures?.hits, figures?.misses, figures?.hitRate], [1, 2, 1 / 3]);
  });

  it("pin and release, also what is gone; a pinned directory is never planned for", async () => {
    const { root, context } = makeScene();
    await assert.rejects(invoke(pin, { path: "Alien", cache: "media" }, context), failsWith("not_found", /register/));
    await invoke(reconcile, { cache: "media" }, context);
    assert.ok((await invoke(pin, { path: "Alien", cache: "media" }, context)).directory.isPinned);
    const planned = async () => {
      const plan = await invoke(evict, { cache: ["media"], detail: "full" }, context);
      return plan.changes?.map(({ name }) => name);
    };
    assert.deepEqual(await planned(), ["Brazil"]);
    const pinned = await invoke(info, { path: "Alien", cache: "media" }, context);
    assert.deepEqual([pinned.verdict, pinned.rank, pinned.obstacles[0]?.rule], ["stays", null, "pinned"]);
    renameSync(join(root, "Alien"), join(root, "../alien-away"));
    assert.ok(!(await invoke(pin, { path: "Alien", cache: "media", release: true }, context)).directory.isPinned);
    renameSync(join(root, "../alien-away"), join(root, "Alien"));
    assert.deepEqual(await planned(), ["Alien"]);
  });

  it("forget a directory and leave its files; one that is gone, too; and say that it comes back", async () => {
    const { root, context } = makeScene();
    await invoke(reconcile, { cache: "media" }, context);
    const before = treeState(root);
    const forgotten = await invoke(forget, { path: "Alien", cache: "media" }, context);
    assert.deepEqual([forgotten.returns, forgotten.directory.bytes], [true, 1000]);
    assert.match(forget.view(forgotten).title, /files are where they were/);
    assert.match(forget.view(forgotten).notes.join(), /comes back/);
    assert.deepEqual(treeState(root), before);
    assert.deepEqual((await listed(context)).toSorted(), ["Brazil", "Cube"]);
    await assert.rejects(invoke(forget, { path: "Alien", cache: "media" }, context), failsWith("not_found"));
    rmSync(join(root, "Cube"), { recursive: true });
    await invoke(forget, { path: join(root, "Cube") }, context);
    assert.deepEqual(await listed(context), ["Brazil"]);
  });

  it("explain a directory: who keeps it, when it is its turn, and the same that an eviction would do", async () => {
    const { root, context } = makeScene({ keep: ["Cub*"] });
    const ask = async (path: string) => invoke(info, { path, cache: "media" }, context);
    assert.equal((await ask("Alien")).verdict, "unregistered");
    await invoke(reconcile, { cache: "media" }, context);
    const [alien, brazil, cube] = await Promise.all(["Alien", "Brazil", "Cube"].map(ask));
    assert.deepEqual([alien?.verdict, alien?.rank, alien?.rankOf, alien?.reason], ["goes", 1, 2, "over_quota"]);
    assert.deepEqual([brazil?.verdict, brazil?.rank], ["waits", 2]);
    assert.deepEqual([cube?.verdict, cube?.rank], ["stays", null]);
    assert.deepEqual(cube?.obstacles, [{ rule: "kept_by_configuration", by: "Cub*" }]);
    const plan = await invoke(evict, { cache: ["media"], detail: "full" }, context);
    assert.deepEqual(
      plan.changes?.map(({ name }) => name),
      ["Alien"],
    );
    writeFileSync(join(root, "Alien/new.part"), "x");
    const busy = await ask("Alien");
    assert.equal(busy.verdict, "stays");
    assert.deepEqual(busy.obstacles.map(({ rule }) => rule).toSorted(), ["recent_write", "unfinished_download"]);
    const later = { ...context, now: () => Date.now() + 40 * 86_400_000 };
    const expired = await invoke(info, { path: "Brazil", cache: "media" }, later);
    assert.deepEqual([expired.verdict, expired.reason], ["goes", "expired"]);
    await assert.rejects(ask("Dune"), failsWith("not_found", /does not exist/));
    rmSync(join(root, "Brazil"), { recursive: true });
    await assert.rejects(ask("Brazil"), failsWith("not_found", /in the register of media and not on the disk/));
  });

  it("list in any order, page by page", async () => {
    const { root, context } = makeScene();
    await invoke(reconcile, { cache: "media" }, context);
    assert.deepEqual(await listed(context), ["Cube", "Brazil", "Alien"]);
    fill(root, "Alien/more", 9000, 86_400 * 3);
    setAge(join(root, "Alien"), 86_400 * 3);
    await invoke(reconcile, { cache: "media" }, context);
    assert.deepEqual(await listed(context, { order: "largest" }), ["Alien", "Cube", "Brazil"]);
    assert.deepEqual(await listed(context, { order: "largest", offset: 1, limit: 1 }), ["Cube"]);
    assert.deepEqual(await listed(context, { order: "oldest", offset: 2, limit: 5 }), ["Cube"]);
    assert.deepEqual(await listed(context, { offset: 3 }), []);
    for (const input of [{ limit: 0 }, { limit: 1001 }, { offset: -1 }]) {
      await assert.rejects(listed(context, input), failsWith("invalid_input"));
    }
  });

  it("are partial where a part could not be reconciled", async () => {
    const { root, context } = makeScene();
    await invoke(reconcile, { cache: "media" }, context);
    mkdirSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff])]));
    const found = await invoke(reconcile, { cache: "media" }, context);
    assert.equal(reconcile.outcome(found), "partial");
    renameSync(root, `${root}-away`);
    const gone = await invoke(reconcile, { cache: "media" }, context);
    assert.deepEqual([gone.forgotten, gone.after.directories, reconcile.outcome(gone)], [0, 3, "partial"]);
    renameSync(`${root}-away`, root);
  });

  it("let a confined caller reach managed roots, and nothing beside them", async () => {
    const { root, other, context } = makeScene();
    const confined: Context = { ...context, bounds: { confined: true } };
    await assertConfined([root, join(other, "Album")], confined);
    await assert.rejects(assertConfined([join(root, "..")], confined), failsWith("forbidden"));
    await assert.rejects(assertConfined([`${root}-evil`], confined), failsWith("forbidden"));
    symlinkSync("/etc", join(root, "link"));
    await assert.rejects(assertConfined([join(root, "link")], confined), failsWith("forbidden"));
    assert.ok((await invoke(register, { path: join(root, "Alien") }, confined)).isNew);
  });

  it("are examined by doctor: roots and registers", async () => {
    const { root, context } = makeScene();
    const found = async () => {
      const { checks } = await invoke(doctor, {}, context);
      return checks.filter(({ name }) => /media|libraries/.test(name)).map(({ name, status }) => `${name} ${status}`);
    };
    assert.deepEqual(await found(), ["managed media ok", "register of media ok"]);
    rmSync(root, { recursive: true });
    assert.deepEqual(await found(), ["managed media failed", "register of media ok"]);
    mkdirSync(root);
    assert.deepEqual(await found(), ["managed media warning", "register of media ok"]);
  });

  it("are told by doctor that reading is not seen where times of access are off", async () => {
    const place = mountTmpfs("1m");
    execFileSync("mount", ["-o", "remount,noatime", place]);
    fill(place, "Alien/film.mkv");
    const { checks } = await invoke(doctor, {}, managedContext([managedSettings(place)]));
    const check = checks.find(({ name }) => name === "managed media");
    assert.equal(check?.status, "warning");
    assert.match(`${check?.message} ${check?.hint}`, /noatime.*`touch`/);
  });

  it("work from the command line, and show odd names so that they do no harm", () => {
    const { root } = makeScene();
    fill(root, "Evil\u001b[31m\n/film", 5);
    const state = makePlace("state");
    const config = join(state, "config.json");
    writeFileSync(config, JSON.stringify({ managed: [{ name: "media", root, maxBytes: 10_000 }] }));
    const run = (...args: string[]) => cli(args, cliEnvironment(state, config));
    assert.equal(run("reconcile").code, 0);
    const table = run("directories", "--order", "largest");
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /^4 directories in media\.$/m);
    assert.match(table.stdout, /^ +Cube +3\.0 kB +1 /m);
    assert.match(table.stdout, /Evil\\u\{1b\}\[31m\\n/);
    assert.equal(run("pin", "Alien").code, 0);
    assert.match(run("info", join(root, "Alien")).stdout, /Stays because +pinned/);
    assert.match(run("stats").stdout, /Managed media +6\.0 kB of 10\.0 kB \(60\.1 %\), 4 directories, 1 pinned/);
    assert.equal(run("forget", "../x").code, 16);
    assert.equal(run("forget", "nothing").code, 10);
    assert.equal(run("register", "").code, 2);
    assert.equal(run("touch", "Alien", "--json").json<{ cache: string }>().cache, "media");
  });
});
