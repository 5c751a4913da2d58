import assert from "node:assert/strict";

import { clientIn, seeUse, type ContainerUse } from "../../../shared/caches/engine/container-use.ts";
import { IMAGES, prepareDocker } from "../../support/docker.ts";

const CACHE = "/srv/cache/x";

describe("whether a container uses its cache, without an orchestrator", () => {
  const host = prepareDocker();

  /** As seen through the host, and through programs of the image. */
  async function uses(id: string, ports?: readonly number[]): Promise<ContainerUse[]> {
    const engine = await host.engine();
    const container = await engine.inspect(id);
    const question = { path: CACHE, limitSeconds: 20, ...(ports === undefined ? {} : { ports }) };
    return [await seeUse(engine, container, question), await seeUse(engine, { ...container, pid: 0 }, question)];
  }

  async function until(isThere: (uses: readonly ContainerUse[]) => boolean, id: string): Promise<ContainerUse[]> {
    for (;;) {
      const seen = await uses(id);
      if (isThere(seen)) return seen;
    }
  }

  const isBusy = (seen: readonly ContainerUse[]) => seen.every(({ state }) => state === "busy");

  for (const image of [IMAGES.full, IMAGES.gnu]) {
    it(`is idle when nobody is connected and nothing is open (${image})`, async () => {
      const id = host.start("one", image);
      host.inside(id, "mkdir", "-p", CACHE);
      assert.deepEqual(await uses(id), [{ state: "idle" }, { state: "idle" }]);
    });

    it(`is busy while a process has a file of the cache open or works in it (${image})`, async () => {
      const id = host.start("one", image);
      host.inside(id, "mkdir", "-p", CACHE, `${CACHE}2`);
      host.docker("exec", "-d", id, "sh", "-c", `exec 3>${CACHE}2/file; exec sleep 1000`);
      host.docker("exec", "-d", "-w", CACHE, id, "sleep", "1000");
      for (const use of await until(isBusy, id)) {
        assert.ok(use.state === "busy" && use.rule === "open_files", JSON.stringify(use));
        assert.match(use.by, /\/srv\/cache\/x\b/);
      }
    });
  }

  it("is busy while a client is connected to a port that it listens on, and only then", async () => {
    const id = host.start("one");
    host.inside(id, "mkdir", "-p", CACHE);
    host.docker("exec", "-d", id, "sh", "-c", "nc -ll -p 6878 -e cat");
    while (!host.inside(id, "cat", "/proc/net/tcp", "/proc/net/tcp6").includes(":1ADE "));
    assert.deepEqual(await uses(id), [{ state: "idle" }, { state: "idle" }]);
    host.docker("exec", "-d", id, "sh", "-c", "sleep 1000 | nc 127.0.0.1 6878");
    for (const use of await until(isBusy, id)) {
      assert.ok(use.state === "busy" && use.rule === "open_socket", JSON.stringify(use));
      assert.match(use.by, /^a client of port 6878 \(127\.0\.0\.1:\d+\)$/);
    }
    assert.deepEqual(await uses(id, [80]), [{ state: "idle" }, { state: "idle" }]);
  });

  it("is not known where it cannot be seen: no programs, paused, the network of the host", async () => {
    const bare = host.start("bare", IMAGES.bare);
    const [here, there] = await uses(bare);
    assert.equal(here?.state, "idle");
    assert.equal(there?.state, "unknown");
    host.docker("pause", bare);
    assert.deepEqual(
      (await uses(bare)).map(({ state }) => state),
      ["unknown", "unknown"],
    );
    const engine = await host.engine();
    const sharing = { ...(await engine.inspect(host.start("one"))), networkMode: "host" };
    assert.equal((await seeUse(engine, sharing, { path: CACHE, limitSeconds: 20 })).state, "unknown");
  });

  it("is not known while a process of another user cannot be looked into from inside", async () => {
    const id = host.start("one", "--user", "1000");
    host.inside(id, "mkdir", "-p", CACHE);
    host.docker("exec", "-d", "-u", "0", id, "sleep", "1000");
    const seen = await until(([, there]) => there?.state === "unknown", id);
    assert.equal(seen[0]?.state, "idle");
  });

  it("is read off the kernel's tables of both families", () => {
    const listening = "   0: 00000000:1ADE 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
    const outbound = "   1: 0100007F:9C40 0100007F:01BB 01 00000000:00000000 00:00000000 00000000";
    const inbound = "  12: 0200A8C0:1ADE 0500A8C0:D431 01 00000000:00000000 00:00000000 00000000";
    const mapped = `   0: 0000000000000000FFFF00000200A8C0:1ADE 0000000000000000FFFF00000500A8C0:D431 01 0:0 0`;
    const six = `   0: 00000000000000000000000001000000:1ADE 00000000000000000000000001000000:D431 01 0:0 0`;
    assert.equal(clientIn([listening, outbound].join("\n"), undefined), undefined);
    assert.equal(clientIn([listening, inbound].join("\n"), undefined), "a client of port 6878 (192.168.0.5:54321)");
    assert.equal(clientIn(mapped, [6878]), "a client of port 6878 (192.168.0.5:54321)");
    assert.match(clientIn(six, [6878]) ?? "", /\[0000:0000:0000:0000:0000:0000:0000:0001\]:54321/);
    assert.equal(clientIn(inbound, [80]), undefined);
  });
});
