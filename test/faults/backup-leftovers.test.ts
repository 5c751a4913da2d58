import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { DatabaseSync } from "node:sqlite";

import { invoke } from "../../shared/index.ts";
import { backupTempName } from "../../shared/archive/temp.ts";
import { backup } from "../../shared/operations/backup.ts";
import { thisOwner } from "../../shared/owner.ts";
import { makeContext } from "../support/context.ts";
import { makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";

const WRITER = programOf("faults/backup-writer");

/** Starts a process that is in the middle of writing a backup into a directory, for as long as it lives. */
async function startWriter(directory: string): Promise<ChildProcess> {
  const writer = spawn(execPath, [WRITER, directory], { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = (await Promise.race([once(writer.stdout, "data"), once(writer, "exit")])) as unknown[];
  assert.equal(String(said), "writing\n");
  return writer;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Backs a small library up into a directory. */
async function backUpInto(directory: string, name: string): Promise<void> {
  const root = makePlace("library");
  makeMovies(join(root, "film"), ["A.mkv"]);
  await invoke(backup, { paths: [root], archive: join(directory, name) }, makeContext());
}

describe("what a backup that was killed left beside its archive", () => {
  it("is removed by the next backup into that directory, and not while that process lives", async () => {
    const directory = makePlace("archives");
    const [doomed, living] = [await startWriter(directory), await startWriter(directory)];
    try {
      const both = readdirSync(directory);
      assert.equal(both.length, 2);
      await backUpInto(directory, "first.tar.gz");
      assert.deepEqual(readdirSync(directory).toSorted(), [...both, "first.tar.gz"].toSorted());
      await kill(doomed);
      await backUpInto(directory, "second.tar.gz");
      const left = readdirSync(directory).filter((name) => !name.endsWith(".tar.gz"));
      assert.equal(left.length, 1);
      assert.match(left[0] ?? "", new RegExp(`-${living.pid}-`));
    } finally {
      await kill(living);
    }
    await backUpInto(directory, "third.tar.gz");
    assert.deepEqual(readdirSync(directory).toSorted(), ["first.tar.gz", "second.tar.gz", "third.tar.gz"]);
  });

  it("stays when it is another host's, of a namespace that cannot be seen, or not a file of ours", async () => {
    const directory = makePlace("archives");
    const writer = await startWriter(directory);
    await kill(writer);
    const dead = { ...thisOwner(), pid: writer.pid ?? 0, startedAt: "1" };
    const [named = ""] = readdirSync(directory);
    const kept = [
      backupTempName({ ...dead, host: "elsewhere" }),
      backupTempName({ ...dead, namespace: "pid:[1]" }),
      ".cache-ops-backup-run-7k2m9qx4ab.tmp",
      `${named}.kept`,
      "film.tmp",
    ];
    for (const name of kept) writeFileSync(join(directory, name), "");
    const asDirectory = backupTempName(dead);
    mkdirSync(join(directory, asDirectory));
    writeFileSync(join(directory, backupTempName({ ...dead, boot: "before" })), "");
    writeFileSync(join(directory, `${backupTempName(dead)}-journal`), "");
    await backUpInto(directory, "a.tar.gz");
    assert.deepEqual(readdirSync(directory).toSorted(), [...kept, asDirectory, "a.tar.gz"].toSorted());
  });

  it("is removed from the state directory, too, when it was copying our own store", async () => {
    const context = makeContext();
    const { directory } = context.state();
    new DatabaseSync(join(directory, "probe.db")).exec("CREATE TABLE t (x TEXT)");
    const writer = await startWriter(directory);
    await invoke(backup, { kind: "probe", archive: "a.tar.gz" }, context);
    const temps = () => readdirSync(directory).filter((name) => name.endsWith(".tmp"));
    assert.equal(temps().length, 1);
    await kill(writer);
    await invoke(backup, { kind: "probe", archive: "b.tar.gz" }, context);
    assert.deepEqual(temps(), []);
  });
});
