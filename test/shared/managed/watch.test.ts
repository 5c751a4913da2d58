import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { withManagedStore } from "../../../shared/caches/managed/open.ts";
import type { ManagedCache } from "../../../shared/caches/managed/settings.ts";
import { watchManaged, type WatchEvent } from "../../../shared/caches/managed/watch.ts";
import { makePlace } from "../../support/place.ts";
import { fill, managedContext, managedSettings } from "./managed-place.ts";

/** Watches a cache; `next` waits for the next event of a type, also one that came before it was asked for. */
async function start(root: string, parts: Partial<ManagedCache> = {}) {
  const cache = managedSettings(root, { settle: "1s", ...parts });
  const context = managedContext([cache]);
  const events: WatchEvent[] = [];
  let wake = () => {};
  const watching = await watchManaged(cache, context, (event) => {
    events.push(event);
    wake();
  });
  open.push(watching);
  const next = async <T extends WatchEvent["type"]>(type: T): Promise<Extract<WatchEvent, { type: T }>> => {
    for (;;) {
      const place = events.findIndex((event) => event.type === type);
      const [event] = place < 0 ? [] : events.splice(place, 1);
      if (event?.type === type) return event as Extract<WatchEvent, { type: T }>;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const paths = async () => {
    const entries = await withManagedStore(cache, context, (store) =>
      store.list({ offset: 0, limit: 99, newestFirst: false }),
    );
    return entries.map(({ path }) => path).toSorted();
  };
  return { cache, context, watching, next, paths, events };
}

const open: { close(): Promise<void> }[] = [];

describe("watching a managed cache", () => {
  afterEach(async () => {
    for (const watching of open.splice(0)) await watching.close();
  });

  it("registers what is there, then what appears, each with its whole size once it has come to rest", async () => {
    const root = makePlace("watch");
    fill(root, "Old/file", 10);
    const { next, paths } = await start(root, { settle: "2s" });
    assert.equal((await next("reconciled")).found.registered, 1);
    mkdirSync(join(root, "New/deep"), { recursive: true });
    const grow = () => writeFileSync(join(root, `New/deep/${process.hrtime.bigint()}`), "x".repeat(100));
    const growing = setInterval(grow, 100);
    let stopped = false;
    setTimeout(() => {
      clearInterval(growing);
      writeFileSync(join(root, "New/last"), "x".repeat(1000));
      stopped = true;
    }, 3000);
    const event = await next("registered");
    assert.ok(stopped, "it was registered before it had come to rest");
    assert.deepEqual([event.path, event.isNew], ["New", true]);
    assert.ok(event.bytes >= 1100, `${event.bytes}`);
    assert.deepEqual(await paths(), ["New", "Old"]);
  });

  it("takes only the directory that appeared, not the most recent one, and no file, link or name of ours", async () => {
    const root = makePlace("watch");
    const elsewhere = makePlace("elsewhere");
    fill(elsewhere, "Moved/file", 7);
    fill(root, "Old/file", 10);
    const { next, paths } = await start(root);
    await next("reconciled");
    writeFileSync(join(root, "file"), "");
    symlinkSync("Old", join(root, "link"));
    mkdirSync(join(root, ".cache-ops-quarantine"));
    mkdirSync(join(root, "Gone"));
    rmSync(join(root, "Gone"), { recursive: true });
    renameSync(join(elsewhere, "Moved"), join(root, "Moved"));
    const { path, bytes } = await next("registered");
    assert.deepEqual([path, bytes], ["Moved", 7]);
    assert.deepEqual(await paths(), ["Moved", "Old"]);
  });

  it("follows new directories down to its depth", async () => {
    const root = makePlace("watch");
    fill(root, "A/One/file", 1);
    const { next, paths } = await start(root, { depth: 2, settle: "0s" });
    await next("reconciled");
    fill(root, "A/Two/file", 2);
    assert.equal((await next("registered")).path, "A/Two");
    fill(root, "B/Three/file", 3);
    assert.equal((await next("registered")).path, "B/Three");
    fill(root, "B/Four/deep/file", 4);
    assert.equal((await next("registered")).path, "B/Four");
    assert.deepEqual(await paths(), ["A/One", "A/Two", "B/Four", "B/Three"]);
  });

  it("watches an empty root of a new cache", async () => {
    const root = makePlace("watch");
    const { next } = await start(root, { settle: "0s" });
    assert.equal((await next("reconciled")).found.registered, 0);
    fill(root, "First/file", 5);
    assert.equal((await next("registered")).path, "First");
  });

  it("only compares where directories are not registered by themselves", async () => {
    const root = makePlace("watch");
    fill(root, "Old/file");
    const { next, events } = await start(root, { autoRegister: false });
    assert.equal((await next("reconciled")).found.untracked, 1);
    assert.deepEqual(events, []);
  });

  it("says why it cannot watch, what to do about it, and compares all the same", () => {
    const root = makePlace("watch");
    fill(root, "Old/file");
    const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      import { watchManaged } from ${module("../../../shared/caches/managed/watch.ts")};
      import { openState, parse, Configuration } from ${module("../../../shared/index.ts")};
      const state = openState(${JSON.stringify(makePlace("state"))});
      const configuration = parse(Configuration, { managed: [{ name: "media", root: ${JSON.stringify(root)} }] }, "x");
      const context = { now: () => Date.now(), signal: new AbortController().signal, progress() {}, log() {}, state: () => state, configuration };
      const events = [];
      const watching = await watchManaged(configuration.managed[0], context, (event) => events.push(event));
      await watching.close();
      console.log(JSON.stringify(events));`;
    const shell = `echo 0 > /proc/sys/user/max_inotify_watches && exec "$0" --input-type=module-typescript -e "$1"`;
    const answer = execFileSync("unshare", ["-U", "-r", "sh", "-c", shell, process.execPath, script], {
      encoding: "utf8",
    });
    const [trouble, reconciled] = JSON.parse(answer) as WatchEvent[];
    assert.ok(trouble?.type === "trouble" && reconciled?.type === "reconciled", answer);
    assert.equal(trouble.code, "ENOSPC");
    assert.match(trouble.hint ?? "", /sysctl fs\.inotify\.max_user_watches=/);
    assert.equal(reconciled.found.registered, 1);
  });
});
