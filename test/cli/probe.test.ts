import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { PROGRAM, cli, cliEnvironment } from "../support/cli.ts";
import { copyLibrary, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { startRedis } from "../shared/probe/redis-server.ts";
import { standIn } from "../shared/probe/stand-in.ts";

const FILM = "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv";

function writeConfig(config: object): string {
  const file = join(makePlace("config"), "config.json");
  writeFileSync(file, JSON.stringify(config));
  return file;
}

describe("cache-ops probe", () => {
  it("takes a path from the current directory, and knows it the second time", () => {
    const root = copyLibrary();
    const env = cliEnvironment();
    const first = cli(["probe", FILM, "--json"], env, root);
    assert.equal(first.code, 0, first.stdout);
    const { files } = first.json<{ files: { path: string; media: { video: { codec: string }[] } }[] }>();
    assert.deepEqual([files[0]?.path, files[0]?.media.video[0]?.codec], [join(root, FILM), "h264"]);
    assert.equal(cli(["probe", FILM, "--json"], env, root).json()["cached"], 1);
    assert.equal(cli(["probe", FILM, "--json", "--refresh"], env, root).json()["cached"], 0);
    assert.equal(cli(["probe", FILM, "--json", "--no-cache"], env, root).json()["cached"], 0);
    const { probe } = cli(["stats", root, "--json"], env).json<{ probe: Record<string, unknown> }>();
    assert.deepEqual([probe["hits"], probe["misses"], probe["probes"], probe["hitRate"]], [1, 1, 2, 0.5]);
  });

  it("shows what was imported from mediabox without ffprobe, and says that it is a part", () => {
    const root = copyLibrary();
    const env = { ...cliEnvironment(), CACHE_OPS_CONFIG: writeConfig({ ffprobe: { program: "/none" } }) };
    assert.match(cli(["import", join(root, "movies")], env).stdout, /^\d+ probe results imported/);
    const { code, stdout } = cli(["probe", FILM], env, root);
    assert.deepEqual(
      [code, /in part/.test(stdout), /1 file is known only as far as mediabox/.test(stdout)],
      [0, true, true],
    );
    assert.equal(cli(["probe", FILM, "--detail", "full"], env, root).code, 14);
  });

  it("takes names that look like options or protocols for names, after --", () => {
    const root = makePlace("names");
    const env = cliEnvironment();
    for (const name of ["-version.mkv", "concat:a|b.mkv", "new\nline.mkv"]) {
      writeFileSync(join(root, name), readFileSync(join(copyLibrary(), FILM)));
      const { code, stdout } = cli(["probe", "--json", "--", name], env, root);
      assert.equal(code, 0, stdout);
    }
    const { stdout } = cli(["probe", "."], env, root);
    assert.match(stdout, /^3 media files probed\./);
    assert.ok(stdout.includes("new\\nline.mkv"));
  });

  it("exits with 3 and names the files that are no media", () => {
    const { code, stdout } = cli(["probe", join(copyLibrary(), "movies/Damaged (2000)")], cliEnvironment());
    assert.equal(code, 3);
    assert.match(stdout, /garbage\.mp4 +not_media: /);
  });

  it("exits with 14 and says how to install ffprobe when it is missing; what is known is still told", () => {
    const root = copyLibrary();
    const env = cliEnvironment();
    const config = writeConfig({ ffprobe: { program: "/none/ffprobe" } });
    const without = { ...env, CACHE_OPS_CONFIG: config };
    const first = cli(["probe", join(root, FILM)], without);
    assert.deepEqual([first.code, first.stdout], [14, ""]);
    assert.match(first.stderr, /\/none\/ffprobe cannot be started.*\n.*apt install ffmpeg/);
    assert.equal(cli(["probe", join(root, FILM)], env).code, 0);
    assert.equal(cli(["probe", join(root, FILM)], without).code, 0);
    for (const verb of ["check", "list", "stats"]) assert.ok(cli([verb, root], without).code !== 14, verb);
    assert.match(cli(["doctor", root], without).stdout, /ffprobe +warning +not installed/);
  });

  it("stops on Ctrl-C with 130, ends ffprobe, and keeps what was probed", async () => {
    const root = makePlace("films");
    for (let number = 0; number < 6; number += 1) writeMedia(root, `${number}.mkv`);
    const place = makePlace("running");
    const program = standIn(
      `case "$*" in *0.mkv) echo '{"streams":[],"format":{}}';; *) echo $$ > '${place}/new'; mv '${place}/new' '${place}/pid'; exec sleep 1000;; esac`,
    );
    const env = { ...cliEnvironment(), CACHE_OPS_CONFIG: writeConfig({ ffprobe: { program, concurrency: 1 } }) };
    const child = spawn(process.execPath, [PROGRAM, "probe", root], {
      env,
      stdio: "ignore",
    });
    while (!existsSync(join(place, "pid"))) await delay(10);
    child.kill("SIGINT");
    assert.deepEqual(await once(child, "exit"), [130, null]);
    const pid = Number(readFileSync(join(place, "pid"), "utf8"));
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    const { cached } = cli(["probe", join(root, "0.mkv"), "--json"], env).json();
    assert.equal(cached, 1);
  });

  it("shares what it knows with another host through Redis", async () => {
    const server = await startRedis();
    try {
      const root = copyLibrary();
      const hosts = [1, 2].map(() => ({ ...cliEnvironment(), CACHE_OPS_REDIS_URL: server.url }));
      const counts = hosts.map((env) => cli(["probe", join(root, FILM), "--json"], env).json()["cached"]);
      assert.deepEqual(counts, [0, 1]);
      assert.match(cli(["doctor", root], hosts[0] ?? {}).stdout, /Redis +ok +answers/);
    } finally {
      await server.kill();
    }
  });

  it("leaves a Redis alone that does not answer, and shows its password nowhere", () => {
    const root = copyLibrary();
    const url = join(makePlace("secret"), "url");
    writeFileSync(url, "redis://user:geheim@127.0.0.1:1");
    chmodSync(url, 0o600);
    const env = { ...cliEnvironment(), CACHE_OPS_REDIS_URL_FILE: url };
    const probed = cli(["probe", join(root, FILM), "--json"], env);
    const doctor = cli(["doctor", root], env);
    assert.deepEqual([probed.code, doctor.code], [0, 0]);
    assert.match(doctor.stdout, /Redis +warning +does not answer \(ECONNREFUSED\)/);
    assert.ok(!JSON.stringify([probed, doctor]).includes("geheim"));
    chmodSync(url, 0o644);
    const open = cli(["probe", join(root, FILM)], env);
    assert.deepEqual([open.code, open.stderr.includes("chmod 600")], [2, true]);
  });
});

describe("cache-ops invalidate", () => {
  it("forgets at once, with --dry-run nothing, and without a choice refuses", () => {
    const root = copyLibrary();
    const env = cliEnvironment();
    cli(["probe", join(root, FILM)], env);
    assert.equal(cli(["invalidate"], env).code, 2);
    const dry = cli(["invalidate", "--all", "--dry-run"], env);
    assert.deepEqual([dry.code, dry.stdout.split("\n")[0]], [0, "1 result would be forgotten. Nothing was changed."]);
    assert.equal(cli(["invalidate", FILM, "--json"], env, root).json()["entries"], 1);
    assert.equal(cli(["probe", join(root, FILM), "--json"], env).json()["cached"], 0);
  });

  it("moves a damaged probe cache aside on request only", () => {
    const root = copyLibrary();
    const state = makePlace("state");
    const env = cliEnvironment(state);
    const file = join(state, "probe.db");
    writeFileSync(file, "not a database at all, but long enough to be read as one. ".repeat(50));
    const refused = cli(["probe", join(root, FILM)], env);
    assert.equal(refused.code, 13);
    assert.match(refused.stderr, /cache-ops invalidate --damaged/);
    assert.equal(cli(["probe", join(root, FILM), "--no-cache"], env).code, 0);
    const { movedTo } = cli(["invalidate", "--damaged", "--json"], env).json<{ movedTo: string }>();
    assert.match(readFileSync(movedTo, "utf8"), /^not a database/);
    assert.equal(cli(["probe", join(root, FILM)], env).code, 0);
  });
});
