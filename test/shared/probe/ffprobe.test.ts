import assert from "node:assert/strict";
import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { probeFile } from "../../../shared/ffprobe.ts";
import { makeContext } from "../../support/context.ts";
import { copyLibrary } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { standIn } from "./stand-in.ts";

const FILM = "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv";

const withProgram = (program: string, timeLimit = "30s") =>
  makeContext({ config: { ffprobe: { program, timeLimit } } });

function makeFilm(name: string): string {
  const path = join(makePlace("film"), name);
  copyFileSync(join(copyLibrary(), FILM), path);
  return path;
}

describe("ffprobe", () => {
  it("says what is in a real film", async () => {
    const result = await probeFile(join(copyLibrary(), FILM), makeContext());
    assert.ok(result.state === "probed");
    assert.equal(result.data.streams[0]?.["codec_type"], "video");
    assert.match(String(result.data.format["format_name"]), /matroska/);
  });

  for (const name of [
    "-version.mkv",
    "-i.mkv",
    "concat:a|b",
    "file:x.mkv",
    "pipe:0",
    "http:example.org.mkv",
    "new\nline.mkv",
    `it's "quoted".mkv`,
    "$(touch owned) `id` %d %03d.mkv",
    "日本 🎬.mkv",
    "[a]{b}*?.mkv",
  ]) {
    it(`takes ${JSON.stringify(name)} for a name like any other`, async () => {
      const result = await probeFile(makeFilm(name), makeContext());
      assert.equal(result.state, "probed", JSON.stringify(result));
    });
  }

  it("does not follow a playlist to another protocol", async () => {
    const path = join(makePlace("film"), "list.mkv");
    writeFileSync(path, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n");
    assert.equal((await probeFile(path, makeContext())).state, "failed");
  });

  for (const name of ["garbage.mp4", "zero bytes.mkv"]) {
    it(`calls ${name} a failure that is the file's`, async () => {
      const result = await probeFile(join(copyLibrary(), "movies/Damaged (2000)", name), makeContext());
      assert.ok(result.state === "failed");
      assert.equal(result.rule, "not_media");
      assert.ok(result.message.length > 0);
    });
  }

  const faults = [
    ["hangs", "exec sleep 1000", "time_limit"],
    ["hangs and does not listen to SIGTERM", "trap '' TERM\nwhile :; do sleep 0.1; done", "time_limit"],
    ["floods its output", "exec yes '{\"streams\":[]'", "output_limit"],
    ["crashes by a signal", "kill -SEGV $$", "crashed"],
    ["prints broken JSON", `echo '{"streams": [{'`, "invalid_output"],
    ["prints JSON that describes nothing", `echo '[1, 2]'`, "invalid_output"],
    ["prints streams that are none", `echo '{"streams": [1], "format": {}}'`, "invalid_output"],
    ["prints nothing", "exit 0", "invalid_output"],
    ["exits with 1", "echo 'no such codec' >&2; exit 1", "not_media"],
    ["exits with 1 and says nothing", "exit 1", "not_media"],
  ] as const;
  for (const [what, script, rule] of faults) {
    it(`that ${what} is contained, and the failure is called ${rule}`, async () => {
      const context = withProgram(standIn(script), rule === "time_limit" ? "1s" : "60s");
      const result = await probeFile("/media/film.mkv", context);
      assert.ok(result.state === "failed");
      assert.equal(result.rule, rule, result.message);
      assert.notEqual(result.message, "");
    });
  }

  it("cannot put characters of its own on a terminal by its errors", async () => {
    const context = withProgram(standIn(`printf 'first\\nbad \\033[31mred\\n' >&2; exit 1`));
    const result = await probeFile("/media/film.mkv", context);
    assert.ok(result.state === "failed");
    assert.equal(result.message, "bad \\u{1b}[31mred");
  });

  for (const [what, program] of [
    ["is missing", () => join(makePlace("none"), "ffprobe")],
    ["may not be executed", () => standIn("exit 0", 0o644)],
  ] as const) {
    it(`that ${what} is unavailable, and the hint says how to install it`, async () => {
      await assert.rejects(probeFile("/media/film.mkv", withProgram(program())), (error: Error & { hint?: string }) => {
        assert.match(error.hint ?? "", /apt install ffmpeg.*ffprobe\.program/);
        return failsWith("unavailable")(error);
      });
    });
  }

  it("is ended when the caller gives up", async () => {
    const note = join(makePlace("note"), "pid");
    const stop = new AbortController();
    const context = {
      ...withProgram(standIn(`echo $$ > '${note}.new'; mv '${note}.new' '${note}'; exec sleep 1000`)),
      signal: stop.signal,
    };
    const probing = probeFile("/media/film.mkv", context);
    for (;;) {
      try {
        readFileSync(note);
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    stop.abort();
    await assert.rejects(probing, { name: "AbortError" });
    const pid = Number(readFileSync(note, "utf8"));
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });

  it("is not started at all once the caller gave up", async () => {
    const note = join(makePlace("note"), "started");
    const context = { ...withProgram(standIn(`touch '${note}'`)), signal: AbortSignal.abort() };
    await assert.rejects(probeFile("/media/film.mkv", context), { name: "AbortError" });
    assert.throws(() => readFileSync(note), { code: "ENOENT" });
  });

  it("sees a film that was renamed as the same film", async () => {
    const path = makeFilm("a.mkv");
    const before = await probeFile(path, makeContext());
    renameSync(path, `${path}.mp4`);
    const after = await probeFile(`${path}.mp4`, makeContext());
    assert.ok(before.state === "probed" && after.state === "probed");
    assert.deepEqual(after.data.streams, before.data.streams);
  });
});
