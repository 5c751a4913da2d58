import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { readJellyfin } from "../../../shared/caches/jellyfin/clear-status.ts";
import { assertJellyfin, baseOf, jellyfinTokenFrom, tokenVariable } from "../../../shared/caches/jellyfin/settings.ts";
import { CacheOpsError } from "../../../shared/errors.ts";
import { KEY, makeJellyfin, USER_KEY } from "../../support/jellyfin.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { clearOn, linkTo, serverOf } from "./scene.ts";

const { fetch } = globalThis;

/** A look at a server of node:http that answers like this. */
async function lookAt(answer: RequestListener) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  try {
    const settings = serverOf({ url: `http://127.0.0.1:${port}`, answerLimit: "1s" });
    return await readJellyfin(linkTo(makeJellyfin(), { fetch }, settings));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe("a server over HTTP", () => {
  for (const version of ["10.10.7", "10.11.5", "12.0.0"] as const) {
    for (const basePath of ["", "/jellyfin", "/a/b%20c"]) {
      it(`of ${version} at "${basePath}/" is cleared and filled for real`, async () => {
        const jellyfin = makeJellyfin({ version, basePath });
        const { url, close } = await jellyfin.serve();
        try {
          const link = linkTo(jellyfin, { fetch }, serverOf({ url: `${url}/` }));
          const { server, cacheRoom, transcodeRoom } = await readJellyfin(link);
          assert.deepEqual([server.version, server.isKnown], [version, true]);
          const room = { path: "/cache", freeBytes: 5_000, usedBytes: 7_000 };
          assert.deepEqual([cacheRoom, transcodeRoom], [version === "10.10.7" ? null : room, null]);
          const outcome = await clearOn(link);
          assert.equal(outcome.status, "done", JSON.stringify(outcome));
          assert.equal(jellyfin.sections.Series.content(), "full");
        } finally {
          close();
        }
      });
    }
  }

  const refusals: readonly (readonly [string, RequestListener, Parameters<typeof failsWith>])[] = [
    ["never answers", () => undefined, ["unavailable", /no answer within 1s/]],
    [
      "begins an answer and never ends it",
      (_, response) => void response.writeHead(200).write('{"Id":'),
      ["unavailable", /no answer within 1s/],
    ],
    ["hangs up", (request) => void request.socket.destroy(), ["unavailable", /UND_ERR_SOCKET|ECONNRESET/]],
    [
      "breaks off in the middle",
      (_, response) => {
        response.writeHead(200, { "content-length": "100" }).write("{");
        setImmediate(() => response.destroy());
      },
      ["unavailable", /UND_ERR_SOCKET|terminated|ECONNRESET/],
    ],
    [
      "sends more than any Jellyfin would",
      (_, response) => {
        response.writeHead(200);
        for (let at = 0; at < 20; at += 1) response.write(Buffer.alloc(1024 * 1024, "["));
        response.end();
      },
      ["unavailable", /too large/],
    ],
    ["sends a page", (_, response) => void response.end("<html>"), ["unavailable", /not JSON/]],
    ["is another program", (_, response) => void response.end('{"name":"plex"}'), ["unavailable", /not known/]],
    [
      "redirects",
      (_, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      ["unavailable", /redirects elsewhere/],
    ],
  ];
  for (const [what, answer, expected] of refusals) {
    it(`that ${what} is unavailable, and says so in time`, async () => {
      await assert.rejects(lookAt(answer), failsWith(...expected));
    });
  }

  it("that is not there is unavailable, with its address in the hint", async () => {
    const link = linkTo(makeJellyfin(), { fetch }, serverOf({ url: "http://127.0.0.1:1/jf" }));
    await assert.rejects(readJellyfin(link), (error) => {
      assert.ok(error instanceof CacheOpsError);
      assert.match(`${error.message} ${error.hint}`, /http:\/\/127\.0\.0\.1:1\/jf/);
      return error.code === "unavailable";
    });
  });

  it("is left at once when the work is stopped", async () => {
    const controller = new AbortController();
    const link = linkTo(makeJellyfin(), {
      signal: controller.signal,
      fetch: async (_, { signal }) => {
        controller.abort();
        await delay(60_000, undefined, { signal });
        return new Response();
      },
    });
    await assert.rejects(readJellyfin(link), failsWith("interrupted"));
  });

  it("gets the key in the one header that all versions take, and no error shows it", async () => {
    const jellyfin = makeJellyfin();
    const sent: Readonly<Record<string, string>>[] = [];
    const link = linkTo(jellyfin, {
      fetch: async (url, init) => {
        sent.push(init.headers);
        assert.ok(!url.includes(encodeURIComponent(KEY)));
        return jellyfin.fetch(url, init);
      },
    });
    await readJellyfin(link);
    for (const headers of sent) {
      assert.ok(headers["authorization"]?.startsWith(`MediaBrowser Token="${encodeURIComponent(KEY)}"`));
      assert.deepEqual(Object.keys(headers).toSorted(), ["accept", "authorization", "cache-control"]);
    }
    jellyfin.fail(() => "500");
    await assert.rejects(readJellyfin(link), (error) => {
      assert.ok(error instanceof CacheOpsError);
      return ![KEY, encodeURIComponent(KEY)].some((key) => JSON.stringify([error.message, error.hint]).includes(key));
    });
  });

  const keys: readonly (readonly [string, string | undefined, RegExp])[] = [
    ["no key", undefined, /there is no API key/],
    ["a wrong key", "wrong", /does not know the API key \(401\)/],
    ["the key of a user", USER_KEY, /does not let this key do that \(403\)/],
  ];
  for (const [what, token, message] of keys) {
    it(`with ${what} is forbidden, and each says what to do`, async () => {
      const jellyfin = makeJellyfin();
      await assert.rejects(readJellyfin(linkTo(jellyfin, { token })), failsWith("forbidden", message));
      assert.equal(jellyfin.seen.length, token === undefined ? 0 : 1);
    });
  }
});

describe("the settings of a server", () => {
  const bad = [
    "tv.local:8096",
    "ftp://tv.local",
    "http://user:secret@tv.local",
    "http://tv.local?ApiKey=x",
    "http://tv.local/#x",
    "http://",
    "http://tv local",
  ];
  for (const url of bad) {
    it(`do not take ${url} for an address`, () => {
      assert.throws(() => serverOf({ url }), failsWith("invalid_input", /\/url/));
    });
  }

  it("end an address without a slash", () => {
    assert.equal(baseOf({ url: "https://tv.local/jellyfin//" }), "https://tv.local/jellyfin");
  });

  it("refuse two servers of one name, one address or one variable", () => {
    const url = "http://b";
    assert.throws(() => assertJellyfin([serverOf(), serverOf({ url })]), failsWith("invalid_input", /twice/));
    assert.throws(
      () => assertJellyfin([serverOf({ name: "a-b" }), serverOf({ name: "A_b", url })]),
      failsWith("invalid_input", /same variable/),
    );
    assert.throws(
      () => assertJellyfin([serverOf(), serverOf({ name: "b", url: "http://tv.local:8096/" })]),
      failsWith("invalid_input", /address of home/),
    );
    assertJellyfin([serverOf(), serverOf({ name: "b", url })]);
  });

  it("leave the key to the environment or a file that only its owner may read", () => {
    const file = join(makePlace("key"), "key");
    writeFileSync(file, "from-file\n");
    chmodSync(file, 0o600);
    const name = tokenVariable("living-room");
    assert.equal(name, "CACHE_OPS_JELLYFIN_LIVING_ROOM_TOKEN");
    assert.equal(jellyfinTokenFrom({}, "living-room"), undefined);
    assert.equal(jellyfinTokenFrom({ [name]: "direct" }, "living-room"), "direct");
    assert.equal(jellyfinTokenFrom({ [`${name}_FILE`]: file }, "living-room"), "from-file");
    assert.equal(jellyfinTokenFrom({ [name]: "direct" }, "other"), undefined);
    chmodSync(file, 0o644);
    assert.throws(
      () => jellyfinTokenFrom({ [`${name}_FILE`]: file }, "living-room"),
      failsWith("invalid_input", /others/),
    );
  });
});
