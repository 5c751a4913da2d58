import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, lutimesSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

import { usersOf } from "../../../shared/caches/managed/in-use.ts";
import { measureTree } from "../../../shared/caches/managed/measure.ts";
import { parseMounts, windowsOnto } from "../../../shared/caches/managed/mounts.ts";
import { seeOpenFiles } from "../../../shared/caches/managed/open-files.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { fill, setAge } from "./managed-place.ts";

const { signal } = new AbortController();

/** Who uses a directory, by rule. Other processes of the machine must not matter, so blindness is not looked at here. */
async function usesOf(root: string, name: string, settleSeconds = 600, now = Date.now()) {
  const directory = join(root, name);
  const options = { signal, timeLimitSeconds: 30 };
  const openFiles = await seeOpenFiles([root], signal);
  return usersOf(directory, await measureTree(directory, options), { ...options, openFiles, settleSeconds, now });
}
const rulesOf = async (...args: Parameters<typeof usesOf>) => (await usesOf(...args)).map(({ rule }) => rule);

const running: ChildProcess[] = [];

/** Starts a program that says `ready`, or repeats it, once it holds what it is to hold; it ends with its input. */
async function start(program: string, args: readonly string[], cwd = "/"): Promise<() => Promise<void>> {
  const child = spawn(program, args, { cwd, stdio: ["pipe", "pipe", "inherit"] });
  running.push(child);
  const ended = once(child, "exit");
  child.stdin.write("ready\n");
  const [said] = (await Promise.race([once(child.stdout, "data"), ended])) as unknown[];
  assert.equal(String(said).trim(), "ready");
  return async () => {
    child.stdin.end();
    await ended;
  };
}
const WAIT = "echo ready; cat >/dev/null";
const shell = async (script: string, cwd?: string) => start("sh", ["-c", `${script}; ${WAIT}`], cwd);

describe("what is in use", () => {
  const root = makePlace("in-use");
  after(() => {
    for (const child of running) child.kill("SIGKILL");
  });

  it("is nothing that was left alone", async () => {
    fill(root, "Quiet/a/film.mkv");
    setAge(join(root, "Quiet"), 86_400);
    assert.deepEqual(await usesOf(root, "Quiet"), []);
  });

  it("is a directory below which a process has a file open, works, or runs from; its neighbours are not", async () => {
    for (const name of ["Open", "Open too", "Ope", "Cwd", "Program", "Mapped"]) {
      fill(root, `${name}/deep/er/file`);
      for (const part of ["deep", ""]) setAge(join(root, name, part), 86_400);
    }
    execFileSync("cp", [
      "-p",
      execFileSync("which", ["cat"], { encoding: "utf8" }).trim(),
      join(root, "Program/deep/er/file"),
    ]);
    setAge(join(root, "Program/deep/er"), 86_400);
    const stops = await Promise.all([
      shell(`exec 7<"${root}/Open/deep/er/file"`),
      shell(":", join(root, "Cwd/deep")),
      start(join(root, "Program/deep/er/file"), []),
      start("python3", [
        "-c",
        `import mmap\nwith open("${root}/Mapped/deep/er/file", "rb") as f: m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)\nprint("ready", flush=True)\nimport sys; sys.stdin.read()`,
      ]),
    ]);
    try {
      for (const name of ["Open", "Cwd", "Program", "Mapped"]) {
        const [use] = await usesOf(root, name);
        assert.match(use?.by ?? "nobody", /^\S+ \(process \d+\)$/, name);
        assert.equal(use?.rule, "open_files");
      }
      for (const name of ["Open too", "Ope", "Quiet"]) assert.deepEqual(await usesOf(root, name), [], name);
      const openFiles = await seeOpenFiles([root], signal);
      assert.ok(openFiles.userOf(join(root, "Open/deep")));
      assert.equal(openFiles.userOf(join(root, "Open/dee")), undefined);
    } finally {
      for (const stop of stops) await stop();
    }
    for (const name of ["Open", "Cwd", "Program", "Mapped"]) assert.deepEqual(await usesOf(root, name), [], name);
  });

  it("is a directory that a container knows by another path", async () => {
    fill(root, "Contained/file");
    fill(root, "Contained/deep/file");
    for (const part of ["deep", ""]) setAge(join(root, "Contained", part), 86_400);
    const inside = makePlace("elsewhere");
    const [part, deep] = [makePlace("part"), makePlace("deep")];
    const script = `mount --bind "${root}" "${inside}" && mount --bind "${root}/Contained" "${part}" && mount --bind "${root}/Contained/deep" "${deep}"`;
    for (const path of [inside + "/Contained/file", part + "/file", deep + "/file"]) {
      const stop = await start("unshare", ["-m", "sh", "-c", `${script} && exec 7<"${path}"; ${WAIT}`]);
      assert.deepEqual(await rulesOf(root, "Contained"), ["open_files"], path);
      assert.deepEqual(await usesOf(root, "Quiet"), []);
      await stop();
      assert.deepEqual(await usesOf(root, "Contained"), []);
    }
  });

  it("is what was written to within the time to settle, also in the future", async () => {
    fill(root, "Fresh/a/file", 10, 300);
    setAge(join(root, "Fresh"), 86_400);
    assert.deepEqual(await usesOf(root, "Fresh", 299), []);
    const [use] = await usesOf(root, "Fresh", 600);
    assert.equal(use?.rule, "recent_write");
    assert.match(use.by, /^written 5m ago$/);
    setAge(join(root, "Fresh/a/file"), -3600);
    assert.match((await usesOf(root, "Fresh", 1))[0]?.by ?? "", /future/);
  });

  it("is what holds the lock of a running mediabox, and not a lock that is none or was abandoned", async () => {
    const file = fill(root, "Locked/a/film.mkv.lock");
    const write = (lock: unknown, ageSeconds = 86_400) => {
      writeFileSync(file, typeof lock === "string" ? lock : JSON.stringify(lock));
      setAge(file, ageSeconds);
      for (const part of ["a", ""]) setAge(join(root, "Locked", part), 86_400);
    };
    write({ hostname: hostname(), pid: process.pid, timestamp: Date.now() / 1000 - 90_000 });
    assert.deepEqual(await usesOf(root, "Locked"), [{ rule: "lock_file", by: "a/film.mkv.lock" }]);
    write({ hostname: hostname(), pid: 2 ** 22 + 1, timestamp: Date.now() / 1000 - 90_000 });
    assert.deepEqual(await usesOf(root, "Locked"), []);
    write("# generated by cargo");
    assert.deepEqual(await usesOf(root, "Locked"), []);
  });

  it("is what holds a download that was written to within a day, whatever the program calls it", async () => {
    for (const name of ["film.mkv.part", "film.mkv.!qB", "setup.crdownload", "iso.aria2", "x.TMP", "a.partial"]) {
      const place = `Download ${name}`;
      fill(root, `${place}/a/${name}`, 10, 7200);
      setAge(join(root, place), 7200);
      assert.deepEqual(await usesOf(root, place), [{ rule: "unfinished_download", by: `a/${name}` }], name);
      setAge(join(root, place, "a", name), 90_000);
      assert.deepEqual(await usesOf(root, place), [], name);
    }
    fill(root, "Finished/party.mkv", 10, 7200);
    mkdirSync(join(root, "Finished/x.part"));
    symlinkSync("party.mkv", join(root, "Finished/y.part"));
    lutimesSync(join(root, "Finished/y.part"), 1_700_000_000, 1_700_000_000);
    setAge(join(root, "Finished/x.part"), 7200);
    setAge(join(root, "Finished"), 7200);
    assert.deepEqual(await usesOf(root, "Finished"), []);
    rmSync(join(root, "Finished"), { recursive: true });
  });

  it("says whom it cannot look into: processes of other users", async () => {
    const module = new URL("../../../shared/caches/managed/open-files.ts", import.meta.url).href;
    const script = `import { seeOpenFiles } from ${JSON.stringify(module)};
      process.setgid(65534); process.setuid(65534);
      console.log((await seeOpenFiles(["/tmp"], new AbortController().signal)).blind);`;
    const answer = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script], {
      encoding: "utf8",
    });
    assert.match(answer, /^open files cannot be seen: those of \d+ process(es)? that this user may not look into/);
  });

  it("leaves this process out, and stops when it is told to", async () => {
    fill(root, "Own/file");
    setAge(join(root, "Own"), 86_400);
    const descriptor = openSync(join(root, "Own/file"), "r");
    assert.deepEqual(await usesOf(root, "Own"), []);
    closeSync(descriptor);
    await assert.rejects(seeOpenFiles([root], AbortSignal.abort()), failsWith("interrupted"));
  });

  it("translates the paths of other mounts, and reads their odd names", () => {
    const ours = parseMounts(
      "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n40 27 8:2 /data /srv/a\\040b rw,noatime - xfs /dev/sdb rw\n",
    );
    assert.deepEqual(ours[1]?.point, "/srv/a b");
    assert.ok(ours[1].options.includes("noatime"));
    const theirs = parseMounts(
      "1 0 0:40 / / rw - overlay overlay rw\n2 1 8:2 /data/cache /downloads rw - xfs /dev/sdb rw\n3 1 8:2 / /all rw - xfs /dev/sdb rw\n4 1 8:2 /data/cache/Film /one rw - xfs /dev/sdb rw\n5 1 8:9 / /other rw - xfs /dev/sdc rw\n",
    );
    assert.deepEqual(windowsOnto("/srv/a b/cache", ours, theirs), [
      { theirs: "/downloads", ours: "/srv/a b/cache" },
      { theirs: "/all/data/cache", ours: "/srv/a b/cache" },
      { theirs: "/one", ours: "/srv/a b/cache/Film" },
    ]);
  });
});
