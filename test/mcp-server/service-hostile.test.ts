import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { withManagedStore } from "../../shared/caches/managed/open.ts";
import { fill, managedContext, managedSettings, setAge } from "../shared/managed/managed-place.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { ask, sendRaw, startService, type ServiceServer } from "./service-server.ts";

/** What stands for a directory in an address, and what every method answers to it. */
const PATHS: readonly (readonly [path: string, ...statuses: number[]])[] = [
  // Up and out.
  ["..%2Fvictim", 400],
  ["..%2fvictim", 400],
  ["%2e%2e/victim", 400],
  ["%2e%2e%2fvictim", 400],
  ["%2E%2E%2Fvictim", 400],
  [".%2e/victim", 400],
  ["../victim", 400],
  ["../../../../etc", 400],
  ["films/../../victim", 400],
  ["films%2F..%2F..%2Fvictim", 400],
  ["films/..", 400],
  ["films/../films", 400],
  ["..", 400],
  ["%2e%2e", 400],
  ["..%5Cvictim", 400],
  ["..%5cvictim", 400],
  ["..\\victim", 400],
  ["films\\..\\..\\victim", 400],
  // Decoded once, these are names of directories that do not exist.
  ["%252e%252e%252fvictim", 404],
  ["..%252fvictim", 404],
  ["%25252e%25252e", 404],
  ["..;", 404],
  ["...", 404],
  ["~", 404],
  ["$HOME", 404],
  ["*", 404],
  ["dir:films", 404],
  ["-rf", 404],
  // Longer ways to write a dot: not UTF-8.
  ["%c0%ae%c0%ae/victim", 400],
  ["%c0%ae%c0%ae%c0%afvictim", 400],
  ["%e0%80%ae%e0%80%ae/victim", 400],
  ["%f0%80%80%ae", 400],
  ["%ff%fe", 400],
  ["%ed%a0%80", 400],
  ["%", 400],
  ["%2", 400],
  ["%zz", 400],
  ["%u002e%u002e", 400],
  // The root itself, absolute places, nothing.
  ["", 400],
  [".", 400],
  ["%2e", 400],
  ["./films", 400],
  ["films/.", 400],
  ["/", 400],
  ["/victim", 400],
  ["//victim", 400],
  ["%2Ftmp%2Fvictim", 400],
  ["films/", 400],
  ["films%2F", 400],
  ["films//x", 400],
  ["C:%5CWindows", 400],
  // What no name holds.
  ["%00", 400],
  ["films%00", 400],
  ["films%00.mkv", 400],
  ["films%0A", 400],
  ["films%0D%0AX-Injected:%20yes", 400],
  ["films%1b%5b31m", 400],
  ["films%7f", 400],
  ["films%c2%85", 400],
  ["x".repeat(300), 400],
  // What is there and is no directory of the cache.
  ["link", 403, 404],
  ["link-to-root", 403, 404],
  ["link-to-films", 403, 404],
  ["file", 400, 404],
  ["films/deep", 400],
  ["films%2Fdeep", 400],
  [".cache-ops-quarantine", 403],
];

/** Whole addresses that lead nowhere. */
const TARGETS: readonly (readonly [target: string, status: number])[] = [
  ["/cache/directories/../../../etc/passwd", 400],
  ["/cache/../cache/directories/films", 404],
  ["/cache/./directories/films", 404],
  ["/cache//directories/films", 404],
  ["//cache/directories/films", 404],
  ["/%63ache/directories/films", 404],
  ["/cache%2Fdirectories%2Ffilms", 404],
  ["/cache/directories%2Ffilms", 404],
  ["/cache/directories;x/films", 404],
  ["/cache/directories/films#x", 400],
  ["/cache/directories/fil ms", 400],
  ["/cache/directories/<films>", 400],
  ["http://127.0.0.1/cache/directories/films", 400],
  ["http://evil.example/cache/directories/films", 400],
  ["cache/directories/films", 400],
  ["*", 400],
];

interface Scene {
  readonly server: ServiceServer;
  /** Holds the root of the cache, and what lies beside it. */
  readonly place: string;
  readonly registered: () => Promise<readonly unknown[]>;
}

/** A managed cache that holds one directory, with everything beside it that a request could be after. */
async function scene(): Promise<Scene> {
  const place = makePlace("hostile");
  const root = join(place, "downloads");
  fill(root, "films/deep/film.bin");
  setAge(join(root, "films"), 86_400);
  fill(place, "victim/precious.bin");
  writeFileSync(join(root, "file"), "x");
  mkdirSync(join(root, ".cache-ops-quarantine"));
  symlinkSync("../victim", join(root, "link"));
  symlinkSync(".", join(root, "link-to-root"));
  symlinkSync("films", join(root, "link-to-films"));
  const cache = managedSettings(root, { name: "downloads", maxBytes: 1_000_000, autoRegister: false });
  const context = managedContext([cache]);
  const registered = () =>
    withManagedStore(cache, context, (store) => store.list({ offset: 0, limit: 1000, newestFirst: false }));
  await withManagedStore(cache, context, (store) => store.register([{ path: "films", bytes: 1000, files: 1 }], 1e12));
  const server = await startService({
    state: context.stateDirectory,
    config: { managed: [{ name: "downloads", root, maxBytes: 1_000_000, autoRegister: false }] },
  });
  while (!server.log.some(({ message }) => message === "register compared with the disk")) await delay(10);
  return { server, place, registered };
}

describe("requests that would lead the real backend astray", () => {
  let here: Scene;
  let sent = 0;

  before(async () => {
    here = await scene();
  });

  const send = (line: string) => {
    sent += 1;
    const { port } = new URL(here.server.origin);
    const head = `Host: 127.0.0.1:${port}\r\nAuthorization: Bearer ${here.server.token}\r\nConnection: close\r\n`;
    return sendRaw(here.server, `${line} HTTP/1.1\r\n${head}Content-Length: 0\r\n\r\n`);
  };

  for (const [claim, lineOf] of [
    ["asking for", (path: string) => `GET /cache/directories/${path}`],
    ["removing", (path: string) => `DELETE /cache/directories/${path}?remove_files=true`],
    ["forgetting", (path: string) => `DELETE /cache/directories/${path}`],
    ["registering", (path: string) => `POST /cache/directories/${path}/register`],
    ["registering, as documented,", (path: string) => `POST /cache/register/${path}`],
    ["touching", (path: string) => `POST /cache/directories/${path}/touch`],
  ] as const) {
    it(`are refused and change nothing: ${claim} what is no directory of the cache`, async () => {
      const [tree, entries] = [treeState(here.place), await here.registered()];
      for (const [path, ...expected] of PATHS) {
        const status = await send(lineOf(path));
        assert.ok(expected.includes(status), `${lineOf(path)}: ${status} instead of ${expected.join(" or ")}`);
      }
      assert.deepEqual(treeState(here.place), tree);
      assert.deepEqual(await here.registered(), entries);
    });
  }

  it("are refused and change nothing: addresses that only look like ours", async () => {
    const [tree, entries] = [treeState(here.place), await here.registered()];
    for (const [target, expected] of TARGETS) {
      for (const method of ["GET", "DELETE"]) {
        const status = await send(`${method} ${target}`);
        assert.equal(status, expected, `${method} ${target}`);
      }
    }
    assert.deepEqual(treeState(here.place), tree);
    assert.deepEqual(await here.registered(), entries);
  });

  it("are refused and change nothing: parameters that are unknown, repeated or half true", async () => {
    const [tree, entries] = [treeState(here.place), await here.registered()];
    for (const query of [
      "remove_files=yes",
      "remove_files=1",
      "remove_files=TRUE",
      "remove_files=",
      "remove_files=true&remove_files=false",
      "Remove_Files=true",
      "remove_files[]=true",
      "path=../victim",
      "cache=other",
      "cache=",
      "cache=downloads&cache=downloads",
      "limit=1",
    ]) {
      const status = await send(`DELETE /cache/directories/films?${query}`);
      assert.ok(status === 400 || status === 404, `${query}: ${status}`);
    }
    for (const query of ["limit=0", "limit=1001", "limit=-1", "limit=1e3", "limit=ten", "limit=", "offset=-1", "x=1"]) {
      assert.equal(await send(`GET /cache/directories?${query}`), 400, query);
    }
    assert.deepEqual(treeState(here.place), tree);
    assert.deepEqual(await here.registered(), entries);
  });

  it("were more than two hundred, and the same requests in order do what they say", async () => {
    assert.ok(sent > 200, String(sent));
    const registered = await ask(here.server, "POST /cache/directories/films/register");
    assert.equal(registered.status, 200, registered.text);
    const removed = await ask(here.server, "DELETE /cache/directories/films?remove_files=true");
    assert.equal(removed.status, 200, removed.text);
    assert.ok(!treeState(join(here.place, "downloads")).some((line) => line.startsWith("./films ")));
  });
});
