import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { ContainerCleanAction } from "../../../shared/caches/engine/container-action.ts";
import type { ContainerEngine } from "../../../shared/caches/engine/container-api.ts";
import { findCaches } from "../../../shared/caches/engine/container-cache.ts";
import { performContainerClean } from "../../../shared/caches/engine/container-clean.ts";
import { measureDirectory, type CacheMeasurement } from "../../../shared/caches/engine/container-measure.ts";
import { sharersOf } from "../../../shared/caches/engine/container-place.ts";
import { withDirectory } from "../../../shared/caches/engine/container-root.ts";
import { KNOWN_CACHE_PATHS } from "../../../shared/caches/engine/settings.ts";
import { IMAGES, KINDS, prepareDocker } from "../../support/docker.ts";
import { makeDirectory, makePlace } from "../../support/place.ts";
import { fill as fillCache } from "./empty-place.ts";

const [HOME] = KNOWN_CACHE_PATHS;
const { signal } = new AbortController();
const LOOK = { signal, limitSeconds: 20, user: "0" };

for (const kind of KINDS)
  describe(`containers of a real engine, ${kind}`, () => {
    const host = prepareDocker(kind);

    const fill = (id: string, path?: string) => fillCache(host, id, path);

    async function measure(id: string, path: string = HOME, ways?: Parameters<typeof measureDirectory>[3]["ways"]) {
      const engine = await host.engine();
      return measureDirectory(engine, await engine.inspect(id), path, { ...LOOK, ways });
    }

    /** A plan for what is there now. */
    async function plan(id: string, path: string = HOME) {
      const engine = await host.engine();
      const container = await engine.inspect(id);
      const measured = assertMeasured(await measureDirectory(engine, container, path, LOOK));
      const action: ContainerCleanAction = {
        endpoint: engine.endpoint,
        container: { id, name: container.name, image: container.image, startedAt: container.startedAt },
        path,
        user: "0",
        seen: { sha256: measured.sha256, size: measured.bytes, entries: measured.entries },
      };
      const apply = (assertIdle: () => Promise<void> = async () => undefined, with_: ContainerEngine = engine) =>
        performContainerClean(action, with_, { signal, limitSeconds: 20, assertIdle });
      return { action, apply, engine };
    }

    it("are selected by label or name, whatever they are doing, and never all of them", async () => {
      const running = host.start("one", "--label", "kind=engine", "--label", "slot=1");
      const paused = host.start("two", "--label", "kind=engine");
      const stopped = host.start("three", "--label", "kind=other");
      const isPausable = kind === "docker";
      if (isPausable) host.docker("pause", "two");
      host.docker("kill", "three");
      const engine = await host.engine();
      const byLabel = await engine.list({ labels: ["kind=engine"] });
      assert.deepEqual(
        byLabel.map(({ id, name, state }) => [id, name, state]),
        [
          [running, "one", "running"],
          [paused, "two", isPausable ? "paused" : "running"],
        ],
      );
      assert.match(running, /^[0-9a-f]{64}$/);
      assert.deepEqual(
        (await engine.list({ labels: ["kind", "slot"] })).map(({ id }) => id),
        [running],
      );
      assert.deepEqual(
        (await engine.list({ names: ["three"] })).map(({ id, state }) => [id, state]),
        [[stopped, "stopped"]],
      );
      // Docker's own filter takes a part of a name.
      assert.deepEqual(await engine.list({ names: ["thre"] }), []);
      assert.deepEqual(await engine.list({}), []);
    });

    it("are measured to the byte, and every way of looking sees the same", async () => {
      const id = host.start("one");
      fill(id);
      host.inside(id, "ln", `${HOME}/a`, `${HOME}/second name of a`);
      host.inside(id, "ln", "-s", "/etc", `${HOME}/link`);
      host.inside(id, "mkfifo", `${HOME}/pipe`);
      const [programs, process, archive] = await Promise.all(
        (["programs", "process", "archive"] as const).map(async (way) =>
          assertMeasured(await measure(id, HOME, [way])),
        ),
      );
      assert.equal(programs?.bytes, 5123);
      assert.equal(programs.entries, 7);
      assert.deepEqual({ ...process, way: "" }, { ...programs, way: "", children: process?.children });
      assert.equal(archive?.bytes, 5123);
      // Podman rounds the times in its archives.
      if (kind === "docker") assert.equal(archive.sha256, programs.sha256);
    });

    it("keep absent, empty and unknown apart", async () => {
      const id = host.start("one");
      assert.deepEqual(await measure(id, "/srv/cache/none"), { state: "absent" });
      host.inside(id, "mkdir", "-p", "/srv/cache/empty");
      host.inside(id, "ln", "-s", "/srv/cache/empty", "/srv/cache/link");
      const empty = assertMeasured(await measure(id, "/srv/cache/empty"));
      assert.equal(empty.entries, 0);
      assert.equal(empty.bytes, 0);
      assert.equal((await measure(id, "/srv/cache/link")).state, "unknown");
      const bare = host.start("bare", IMAGES.bare, "--tmpfs", "/cache");
      // Nothing in the image, and the archive does not show tmpfs.
      const unseen = await measure(bare, "/cache", ["programs", "archive"]);
      assert.equal(unseen.state, "unknown");
      for (const way of ["process", "archive"] as const) {
        assert.deepEqual(await measure(id, "/srv/cache/none", [way]), { state: "absent" }, way);
      }
    });

    it("have their cache found by setting, by label and in the known places", async () => {
      const id = host.start("one", "--label", "cache.path=/srv/cache/x", "-v", "/:/host:ro");
      fill(id);
      fill(id, "/dev/shm/.ACEStream");
      const engine = await host.engine();
      const container = await engine.inspect(id);
      const known = await findCaches(engine, container, {}, LOOK);
      assert.deepEqual(
        known.map(({ path, source }) => [path, source]),
        [
          [HOME, "known"],
          ["/dev/shm/.ACEStream", "known"],
        ],
      );
      const [labelled] = await findCaches(engine, container, { cachePathLabel: "cache.path" }, LOOK);
      assert.equal(labelled?.path, "/srv/cache/x");
      assert.equal(labelled.measurement.state, "absent");
      for (const path of [
        "/",
        "/etc/x",
        "/home",
        "cache",
        "/srv/../etc/x",
        "/srv/cache/",
        "/dev/shm",
        "/host",
        "/host/etc",
      ]) {
        const [refused] = await findCaches(engine, container, { cachePath: path }, LOOK);
        assert.equal(refused?.measurement.state, "unknown", path);
      }
    });

    it("say which others work on the same volume or directory of the host, and where they see it", async () => {
      const place = makePlace("shared");
      makeDirectory(place, "cache", "deep");
      const id = host.start("one", "-v", "shared:/cache", "-v", `${place}/cache:/data/cache`);
      host.start("two", "-v", "shared:/elsewhere", "-v", `${place}/cache/deep:/deep`);
      host.start("three", "-v", "own:/cache", "-v", `${place}:/all`);
      host.start("four", "-v", "shared:/cache");
      host.docker("kill", "four");
      const engine = await host.engine();
      const container = await engine.inspect(id);
      const all = await engine.all();
      const sharers = (path: string, isKnown = false) =>
        sharersOf(container, path, all, () => isKnown).map(({ other, paths }) => [other.name, ...paths]);
      assert.deepEqual(sharers("/cache"), [["two", "/elsewhere"]]);
      assert.deepEqual(sharers("/cache/x/y"), [["two", "/elsewhere/x/y"]]);
      assert.deepEqual(sharers("/data/cache"), [["two", "/deep"]]);
      // One that sees more than this mount is taken for what looks after the whole disk, unless it is an engine, too.
      assert.deepEqual(sharers("/data/cache", true), [
        ["three", "/all/cache"],
        ["two", "/deep"],
      ]);
      assert.deepEqual(sharers("/srv/cache"), []);
    });

    for (const image of [IMAGES.full, IMAGES.gnu]) {
      it(`lose what is in their cache and keep the directory, with the bytes freed as measured (${image})`, async () => {
        const id = host.start("one", image);
        fill(id);
        // A name that is not UTF-8.
        host.inside(id, "sh", "-c", `touch "$1/$(printf 'caf\\351')" "$1/-rf"`, "sh", HOME);
        const { apply } = await plan(id);
        const cleaned = await apply();
        assert.deepEqual([cleaned.state, cleaned.freedBytes, cleaned.complaint], ["complete", 5123, null]);
        assert.equal(assertMeasured(cleaned.after).way, "programs");
        assert.equal(host.inside(id, "ls", "-A", HOME), "");
      });
    }

    it("keep everything beside a directory with the characters of shells and patterns in its name", async () => {
      const id = host.start("one");
      const parent = "/srv/media";
      const odd = `${parent}/a*b ?[c] $(touch x) ;'"\\ -rf`;
      for (const path of [odd, `${parent}/aXb`, `${parent}/a*b`]) fill(id, path);
      host.inside(id, "sh", "-c", 'cd "$1"; touch -- -rf "new\nline" "*" "; rm -rf ..; "', "sh", odd);
      const { apply } = await plan(id, odd);
      assert.equal((await apply()).state, "complete");
      for (const path of [`${parent}/aXb`, `${parent}/a*b`])
        assert.equal(assertMeasured(await measure(id, path)).bytes, 5123);
      assert.equal(host.inside(id, "ls", "-A", odd), "");
      assert.equal(host.inside(id, "ls", "/srv"), "media\n");
    });

    it("can have a mount as their cache: a volume, a directory of the host, memory", async () => {
      for (const mount of [
        ["-v", "some:/cache"],
        ["--tmpfs", "/cache"],
        ["-v", `${host.socket}.d:/cache`],
      ]) {
        const id = host.start("one", ...mount);
        fill(id, "/cache");
        const { apply } = await plan(id, "/cache");
        const cleaned = await apply();
        assert.deepEqual([cleaned.state, cleaned.freedBytes], ["complete", 5123], mount.join(" "));
        assert.match(host.inside(id, "cat", "/proc/mounts"), / \/cache /);
        host.docker("rm", "-f", id);
      }
    });

    it("are cleaned though their image has no find, or nothing at all", async () => {
      const ofHost = makePlace("host");
      writeFileSync(join(ofHost, "kept"), "");
      for (const [image, way] of [
        [IMAGES.withoutFind, "process"],
        [IMAGES.bare, "process"],
      ] as const) {
        const helper = host.start("helper", "-v", "bare:/cache");
        fill(helper, "/cache");
        host.inside(helper, "touch", "/cache/-rf", "/cache/*");
        host.inside(helper, "ln", "-s", ofHost, "/cache/deep/link");
        const id = host.start("one", image, "-v", "bare:/cache");
        assert.equal(assertMeasured(await measure(id, "/cache")).way, way);
        const { apply } = await plan(id, "/cache");
        const cleaned = await apply();
        assert.deepEqual([cleaned.state, cleaned.freedBytes], ["complete", 5123], image);
        assert.equal(host.inside(helper, "ls", "-A", "/cache"), "");
        assert.deepEqual(readdirSync(ofHost), ["kept"]);
        host.docker("rm", "-f", "helper", "one");
      }
    });

    it("are asked no longer than the time limit, nor after the caller gave up", async () => {
      const id = host.start("one");
      const engine = await host.engine();
      await assert.rejects(engine.run(id, ["sleep", "1000"], { limitSeconds: 1 }), { code: "unavailable" });
      const caller = new AbortController();
      const patient = await host.engine(30, caller.signal);
      const asked = assert.rejects(patient.run(id, ["sleep", "999"]), { code: "interrupted" });
      while (!host.inside(id, "ps", "-o", "args").includes("sleep 999")) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      caller.abort();
      await asked;
    });

    it("are never absent or empty because they end while they are looked at", async () => {
      const helper = host.start("helper", "-v", "ending:/cache");
      fill(helper, "/cache");
      const id = host.start("one", IMAGES.bare, "-v", "ending:/cache");
      const engine = await host.engine();
      const container = await engine.inspect(id);
      const held = await withDirectory(container, "/cache", async (place) => {
        host.docker("kill", id);
        return readdirSync(place);
      });
      assert.equal(held.state, "unable");
      for (const path of ["/cache", "/cache/none"]) {
        const measured = await measureDirectory(engine, container, path, { ...LOOK, ways: ["process"] });
        assert.equal(measured.state, "unknown", path);
      }
      await assert.rejects(measureDirectory(engine, container, "/cache", LOOK), { code: "blocked" });
      assert.equal(assertMeasured(await measure(id, "/cache")).bytes, 5123);
    });

    it("lead nowhere on the host, whatever their links say", async () => {
      const ofHost = makePlace("host");
      makeDirectory(ofHost, "cache", "kept");
      const helper = host.start("helper", "-v", "links:/vol");
      host.inside(helper, "ln", "-s", ofHost, "/vol/link");
      const id = host.start("one", IMAGES.bare, "-v", "links:/vol");
      for (const path of ["/vol/link", "/vol/link/cache"]) {
        const measured = await measure(id, path, ["process"]);
        assert.ok(measured.state === "unknown" && measured.reason.includes("link"), JSON.stringify(measured));
        assert.notEqual((await measure(id, path)).state, "measured");
      }
    });

    for (const image of [IMAGES.full, IMAGES.gnu]) {
      it(`end a removal themselves when its time is over (${image})`, async () => {
        const id = host.start("one", image);
        fill(id);
        const { apply, engine } = await plan(id);
        const slow: ContainerEngine = {
          ...engine,
          run: (container, argv, options) => {
            const at = argv.indexOf("find");
            const isRemoval = argv.includes("-delete") && argv[0] === "timeout";
            return engine.run(container, isRemoval ? [...argv.slice(0, at - 1), "1", "sleep", "500"] : argv, options);
          },
        };
        await assert.rejects(apply(undefined, slow), {
          code: "unavailable",
          message: /nothing was removed: ended after/,
        });
        assert.doesNotMatch(host.inside(id, "ps", "-o", "args"), /sleep 500/);
      });
    }

    it("are refused with the reason where the cache is read-only, and nothing goes", async () => {
      const helper = host.start("helper", "-v", "ro:/cache");
      fill(helper, "/cache");
      const id = host.start("one", "-v", "ro:/cache:ro");
      const { apply } = await plan(id, "/cache");
      await assert.rejects(apply(), { code: "forbidden", message: /read-only/ });
      assert.equal(assertMeasured(await measure(helper, "/cache")).bytes, 5123);
    });

    it("are refused where another mount lies in the cache", async () => {
      const id = host.start("one", "-v", "outer:/cache", "-v", "inner:/cache/inner");
      fill(id, "/cache/inner");
      const { apply } = await plan(id, "/cache");
      await assert.rejects(apply(), { code: "forbidden", message: /another mount lies in it/ });
      assert.equal(assertMeasured(await measure(id, "/cache/inner")).bytes, 5123);
    });

    if (kind === "docker")
      it("are refused while they are paused or stopped, and measured all the same", async () => {
        const id = host.start("one");
        fill(id);
        const { apply } = await plan(id);
        host.docker("pause", id);
        await assert.rejects(apply(), { code: "blocked", message: /paused/ });
        assert.equal(assertMeasured(await measure(id)).way, "archive");
        host.docker("unpause", id);
        host.docker("kill", id);
        await assert.rejects(apply(), { code: "blocked", message: /stopped/ });
        assert.equal(assertMeasured(await measure(id)).bytes, 5123);
        host.docker("start", id);
        await assert.rejects(apply(), { code: "stale_plan", message: /started anew/ });
        assert.equal(assertMeasured(await measure(id)).bytes, 5123);
      });

    it("are refused once they were changed, became busy or are gone", async () => {
      const id = host.start("one");
      fill(id);
      const { apply } = await plan(id);
      const busy = async () => {
        throw new RangeError("a stream began");
      };
      await assert.rejects(apply(busy), RangeError);
      assert.equal(assertMeasured(await measure(id)).bytes, 5123);
      host.inside(id, "touch", `${HOME}/new`);
      await assert.rejects(apply(), { code: "stale_plan", message: /changed/ });
      assert.equal(assertMeasured(await measure(id)).bytes, 5123);
      host.docker("rm", "-f", id);
      await assert.rejects(apply(), { code: "stale_plan", message: /not there/ });
    });

    it("that are removed in the middle are no success", async () => {
      const id = host.start("one");
      fill(id);
      const { apply, engine } = await plan(id);
      const removing: ContainerEngine = {
        ...engine,
        run: async (container, argv, options) => {
          const ran = engine.run(container, argv, options);
          if (argv.includes("-delete")) host.docker("rm", "-f", id);
          return ran;
        },
      };
      const { state, freedBytes } = await apply(undefined, removing);
      assert.deepEqual([state, freedBytes], ["unverified", null]);
    });

    it("say so when the caller gives up in the middle of a removal", async () => {
      const id = host.start("one");
      fill(id);
      const { action } = await plan(id);
      const caller = new AbortController();
      const engine = await host.engine(30, caller.signal);
      const aborting: ContainerEngine = {
        ...engine,
        run: async (container, argv, options) => {
          const ran = engine.run(container, argv, options);
          if (argv.includes("-delete")) caller.abort();
          return ran;
        },
      };
      const options = { signal: caller.signal, limitSeconds: 20, assertIdle: async () => undefined };
      const cleaned = await performContainerClean(action, aborting, options);
      assert.deepEqual([cleaned.state, cleaned.after.state], ["unverified", "unknown"]);
      assert.match(cleaned.complaint ?? "", /end was not seen/);
    });

    if (kind === "docker")
      it("report what could not be removed", async () => {
        const id = host.start("one", "--cap-drop", "ALL");
        fill(id);
        host.inside(id, "sh", "-c", `chmod 500 ${HOME}/deep/er`);
        const { apply } = await plan(id);
        const cleaned = await apply();
        assert.equal(cleaned.state, "partial");
        assert.equal(cleaned.freedBytes, 5000);
        assert.match(cleaned.complaint ?? "", /Permission denied/);
      });
  });

function assertMeasured(measurement: CacheMeasurement | undefined) {
  assert.ok(measurement?.state === "measured", JSON.stringify(measurement));
  return measurement;
}
