import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { listenTo, type EventStream, type StreamEvent } from "./event-stream.ts";
import { ask, startService, type ServiceServer } from "./service-server.ts";

const configOf = (roots: readonly string[], service: object = {}) => ({
  libraries: roots.map((root, at) => ({ name: `films${at}`, roots: [root] })),
  service: { watch: true, ...service },
});

/** Waits until everything was looked at once. */
async function listenReady(server: ServiceServer): Promise<EventStream> {
  const stream = await listenTo(server);
  await stream.next(({ name, data }) => name === "status" && data["lookedAt"] !== null);
  return stream;
}

const of =
  (directory: string) =>
  ({ name, data }: StreamEvent) =>
    name === "directory" && data["directory"] === directory;

const problemsOf = ({ data }: StreamEvent) =>
  (data["findings"] as { problem: string; name: string | null }[]).map(({ problem, name }) => `${problem} ${name}`);

describe("a service that watches its libraries", () => {
  let root: string;
  let server: ServiceServer;
  let stream: EventStream;

  before(async () => {
    root = makePlace("library");
    for (const name of ["one", "two", "three", "four", "five", "six"]) makeMovies(join(root, name), ["a.mkv", "b.mkv"]);
    server = await startService({ config: configOf([root]) });
    stream = await listenReady(server);
  });

  after(async () => {
    stream.close();
    await server.stop();
  });

  const tells = (name: string, holds: (event: StreamEvent) => boolean = () => true) =>
    stream.next((event) => of(join(root, name))(event) && holds(event));

  it("tells that media is gone, and that it is back", async () => {
    const media = join(root, "one", "a.mkv");
    renameSync(media, join(root, "kept.mkv"));
    const event = await tells("one");
    deepEqual(problemsOf(event), ["orphaned a.mkv"]);
    deepEqual(event.data["byProblem"], { orphaned: 1 });
    equal(event.data["library"], "films0");
    equal(event.data["cache"], join(root, "one", CACHE));
    renameSync(join(root, "kept.mkv"), media);
    deepEqual(problemsOf(await tells("one")), []);
  });

  it("tells that media changed", async () => {
    utimesSync(join(root, "two", "b.mkv"), 1_700_000_100, 1_700_000_100);
    deepEqual(problemsOf(await tells("two")), ["changed b.mkv"]);
  });

  it("tells that a cache was damaged, and that it went", async () => {
    writeFileSync(join(root, "three", CACHE), "{");
    deepEqual(problemsOf(await tells("three")), ["corrupt null"]);
    rmSync(join(root, "three", CACHE));
    equal((await tells("three", ({ data }) => data["cache"] === null)).data["entries"], 0);
  });

  it("tells of a directory that appears with a cache, and watches it from then on", async () => {
    const elsewhere = join(makePlace("elsewhere"), "new");
    const [media = ""] = makeMovies(join(elsewhere, "deep"), ["a.mkv", "b.mkv"]);
    renameSync(elsewhere, join(root, "new"));
    equal((await tells("new/deep")).data["entries"], 2);
    rmSync(media.replace(elsewhere, join(root, "new")));
    deepEqual(problemsOf(await tells("new/deep")), ["orphaned a.mkv"]);
  });

  it("tells of directories that were renamed, by both names, and of one that was removed", async () => {
    mkdirSync(join(root, "season"));
    makeMovies(join(root, "season", "inner"), ["a.mkv"]);
    await tells("season/inner", ({ data }) => data["entries"] === 1);
    renameSync(join(root, "season"), join(root, "renamed"));
    await tells("season/inner", ({ data }) => data["cache"] === null);
    equal((await stream.next(({ data }) => data["directory"] === join(root, "renamed", "inner"))).data["entries"], 1);
    rmSync(join(root, "renamed"), { recursive: true });
    equal((await tells("renamed/inner", ({ data }) => data["cache"] === null)).data["entries"], 0);
  });

  it("takes a directory for another one when another one got its name", async () => {
    const other = join(makePlace("elsewhere"), "four");
    makeMovies(other, ["c.mkv"]);
    rmSync(join(root, "four"), { recursive: true });
    renameSync(other, join(root, "four"));
    await tells("four", ({ data }) => data["entries"] === 1);
    rmSync(join(root, "four", "c.mkv"));
    deepEqual(problemsOf(await tells("four", ({ data }) => data["entries"] === 1)), ["orphaned c.mkv"]);
  });

  it("says nothing of changes that are none for a cache", async () => {
    const before = stream.events.length;
    writeFileSync(join(root, "five", "notes.txt"), "x");
    rmSync(join(root, "five", "a.mkv"));
    await tells("five");
    deepEqual(
      stream.events.slice(before).map(({ data }) => [data["directory"], data["byProblem"]]),
      [[join(root, "five"), { orphaned: 1 }]],
    );
  });

  it("answers at once what is stale, and counts it for Prometheus", async () => {
    rmSync(join(root, "six", "a.mkv"));
    await tells("six");
    const { status, json } = await ask(server, "GET /watch");
    equal(status, 200);
    equal(json["state"], "watching");
    equal(json["unwatched"], 0);
    const [figures] = json["roots"] as { byProblem: Record<string, number>; caches: number }[];
    ok((figures?.byProblem["orphaned"] ?? 0) >= 1);
    const { text } = await ask(server, "GET /metrics");
    const metric = (name: string) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${name} `))
          ?.split(" ")[1],
      );
    equal(metric('cacheops_library_findings{library="films0",problem="orphaned"}'), figures?.byProblem["orphaned"]);
    equal(metric('cacheops_library_caches{library="films0"}'), figures?.caches);
    equal(metric("cacheops_watched_directories"), json["directories"]);
    equal(metric('cacheops_library_up{library="films0"}'), 1);
  });

  it("lets nobody listen without the token, or from a foreign page", async () => {
    await rejects(listenTo({ origin: server.origin, token: "wrong" }), /answered with 401/);
    const foreign = { headers: { origin: "http://evil.example" } };
    equal((await ask(server, "GET /events", foreign)).status, 403);
    equal((await ask(server, "GET /watch", { headers: { authorization: null } })).status, 401);
    equal((await ask(server, "POST /events", { body: {} })).status, 405);
  });
});

describe("a service and a library that goes away", () => {
  it("calls nothing in it stale, and goes on where it was when the library is back", async () => {
    const place = makePlace("library");
    const root = join(place, "disk");
    makeMovies(join(root, "one"), ["a.mkv", "b.mkv"]);
    const server = await startService({ config: configOf([root], { lookEvery: "1s" }) });
    const stream = await listenReady(server);
    renameSync(root, join(place, "unplugged"));
    mkdirSync(root);
    equal((await stream.next(({ name }) => name === "root")).data["state"], "empty");
    const gone = await ask(server, "GET /watch");
    deepEqual((gone.json["roots"] as { caches: number; byProblem: object }[])[0]?.byProblem, {});
    const { text } = await ask(server, "GET /metrics");
    match(text, /^cacheops_library_up\{library="films0"\} 0$/m);
    rmSync(root, { recursive: true });
    renameSync(join(place, "unplugged"), root);
    equal((await stream.next(({ name }) => name === "root")).data["state"], "healthy");
    deepEqual(
      stream.events.filter(({ name }) => name === "directory"),
      [],
    );
    rmSync(join(root, "one", "b.mkv"));
    deepEqual(problemsOf(await stream.next(of(join(root, "one")))), ["orphaned b.mkv"]);
    await server.stop();
    await stream.ended;
  });
});

describe("a service that cannot watch everything", () => {
  it("says so with what to do, and finds changes by looking at everything", async () => {
    const root = makePlace("library");
    for (const name of ["one", "two", "three"]) makeMovies(join(root, name), ["a.mkv", "b.mkv"]);
    const server = await startService({
      config: configOf([root], { lookEvery: "1s" }),
      within: ["unshare", "-Ur", "sh", "-c", 'echo 2 > /proc/sys/user/max_inotify_watches && exec "$@"', "sh"],
    });
    const stream = await listenReady(server);
    const { json } = await ask(server, "GET /watch");
    deepEqual([json["state"], json["directories"], json["unwatched"]], ["limited", 4, 2]);
    match(String(json["message"]), /2 of 4 directories cannot be watched \(ENOSPC\).+max_user_watches/);
    for (const name of ["one", "two", "three"]) rmSync(join(root, name, "a.mkv"));
    const expected = new Set(["one", "two", "three"].map((name) => join(root, name)));
    while (expected.size > 0) {
      expected.delete(String((await stream.next(({ name }) => name === "directory")).data["directory"]));
    }
    await server.stop();
  });
});

describe("a service that was not told to watch", () => {
  it("says at /events and /watch what to set, and has no figures of libraries", async () => {
    const root = makePlace("library");
    const server = await startService({ config: { libraries: [{ name: "films", roots: [root] }] } });
    for (const path of ["/events", "/watch"]) {
      const { status, json } = await ask(server, `GET ${path}`);
      equal(status, 404);
      match(JSON.stringify(json), /service\.watch/);
    }
    const { text } = await ask(server, "GET /metrics");
    ok(!/^cacheops_(library|libraries|watched|unwatched)_\S* /m.test(text), text);
    await server.stop();
  });
});
