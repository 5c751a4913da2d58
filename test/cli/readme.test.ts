import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { readConfiguration } from "../../shared/index.ts";
import { cliEnvironment } from "../support/cli.ts";
import { makeMovies, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { blocks, commandsOf, ROOT } from "../support/readme.ts";
import { fill } from "../shared/managed/managed-place.ts";

/** A library as the README speaks of it, with something stale in it. */
function makeLibrary(): string {
  const library = join(makePlace("readme"), "media");
  makeMovies(join(library, "movies/Film"), ["Film.mkv", "Trailer.mkv"]);
  makeMovies(join(library, "tv/Show"), ["e1.mkv", "e2.mkv", "e3.mkv"]);
  writeMedia(join(library, "movies/Film"), "Film.mp4");
  rmSync(join(library, "tv/Show/e2.mkv"));
  return library;
}

/** A managed cache as the README speaks of it. */
function makeDownloads(): string {
  const root = makePlace("downloads");
  for (const name of ["Old Show", "New Show", "Keep Me"]) fill(root, `${name}/film.mkv`, 1000);
  return root;
}

/** Commands that are run elsewhere: by the set-up of these very tests, by test/house, by test/host, or by test/bench. */
const ELSEWHERE = new Set([
  "npm ci",
  "npm run build",
  "npm test",
  "npm run check",
  "npm run package",
  "npm run test:electron",
  "npm run bench",
]);

describe("the README", () => {
  const commands = commandsOf("files");
  const downloads = makeDownloads();
  const config = join(makePlace("config"), "config.json");
  writeFileSync(
    config,
    (blocks("json").find((text) => /"managed"/.test(text)) ?? "").replace("/srv/downloads", downloads),
  );
  const env = { ...cliEnvironment(makePlace("state"), config), PLAN: "" };
  const library = makeLibrary();
  let isStale = true;
  /** Whether the last run changed caches of the library, so that an undo makes them stale again. */
  let isOfLibrary = true;

  it("has commands", () => assert.ok(commands.length > 15));

  for (const command of commands.filter((line) => !ELSEWHERE.has(line))) {
    it(`tells the truth: ${command}`, () => {
      if (command.includes("$PLAN")) env.PLAN = planOf(library, env);
      // npx finds the command of this repository; outputs go to a place of their own.
      const output = join(makePlace("output"), "report.html");
      const line = command.replaceAll("/srv/media", library).replace("report.html", output);
      const { status, stdout, stderr } = spawnSync("sh", ["-c", line], { cwd: ROOT, env, encoding: "utf8" });
      // The files of this library are no media, which ffprobe says of each.
      const expected = / check /.test(command) && isStale ? 1 : / probe /.test(command) ? 3 : 0;
      assert.equal(status, expected, `${line}\n${stdout}\n${stderr}`);
      if (/ apply | --apply /.test(command)) {
        isOfLibrary = !/ evict /.test(command);
        if (isOfLibrary) isStale = false;
      }
      if (/ undo /.test(command) && isOfLibrary) isStale = true;
    });
  }

  it("has a crontab line that does its work", () => {
    const [line = ""] = blocks("cron");
    const fields = line.trim().split(/\s+/);
    assert.match(fields.slice(0, 5).join(" "), /^[\d*]+ [\d*]+ [\d*]+ [\d*]+ [\d*]+$/);
    const place = makePlace("cron");
    const command = line
      .trim()
      .replace(/^(\S+\s+){5}/, "")
      .replaceAll("/srv/media", makeLibrary())
      .replace("/opt/cache-ops", ROOT)
      .replace("/var/log/cache-ops.log", join(place, "log"));
    // Unattended runs leave caches alone for a day; the library was made just now.
    const config = join(place, "config.json");
    writeFileSync(config, JSON.stringify({ guards: { minAge: "0s" } }));
    const { status } = spawnSync("sh", ["-c", command], { env: cliEnvironment(undefined, config), encoding: "utf8" });
    const log = readFileSync(join(place, "log"), "utf8");
    assert.equal(status, 0, log);
    assert.deepEqual(pick(JSON.parse(log) as Record<string, unknown>), { status: "complete", entries: 1 });
  });

  it("has a systemd service whose command is the crontab's", () => {
    const [service = "", timer = ""] = blocks("ini");
    const start = /^ExecStart=\/opt\/cache-ops\/(.*)$/m.exec(service)?.[1];
    assert.ok(blocks("cron")[0]?.includes(`./${start}`), start);
    assert.match(timer, /^OnCalendar=Sun 04:00$/m);
  });

  it("has configurations that are valid", () => {
    const configurations = blocks("json").map((text) => {
      const file = join(makePlace("config"), "config.json");
      writeFileSync(file, text);
      return readConfiguration(file, true);
    });
    const names = configurations.flatMap(({ libraries, managed, engines, jellyfin, schedules }) => [
      ...libraries,
      ...managed,
      ...engines,
      ...jellyfin,
      ...schedules,
    ]);
    assert.deepEqual(
      names.map(({ name }) => name),
      ["downloads", "acestream", "home", "quota", "engines", "weekly", "movies"],
    );
  });
});

function pick({ status, entries }: Record<string, unknown>): object {
  return { status, entries };
}

function planOf(library: string, env: NodeJS.ProcessEnv): string {
  const { stdout } = spawnSync("npx", ["cache-ops", "cleanup", library, "--json"], {
    cwd: ROOT,
    env,
    encoding: "utf8",
  });
  return (JSON.parse(stdout) as { plan: string }).plan;
}
