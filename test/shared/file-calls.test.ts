import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";

import { openAnchor } from "../../shared/anchor.ts";
import { publish, remove } from "../../shared/atomic.ts";
import { callsFor, pooledCalls } from "../../shared/file-calls.ts";
import { readHeld, readSeenFile } from "../../shared/file.ts";
import { setMtime } from "../../shared/mtime.ts";
import { syncTogether } from "../../shared/sync-together.ts";
import { makePlace } from "../support/place.ts";

const NFS = "26985";
const EXT = "61267";

describe("calls of a file system", () => {
  it("are made at once only where every root lies on a disk of this host", () => {
    assert.equal(callsFor([NFS]), pooledCalls);
    assert.equal(callsFor([EXT, NFS]), pooledCalls);
    assert.notEqual(callsFor([EXT]), pooledCalls);
    const place = makePlace("calls");
    assert.notEqual(callsFor([String(statfsSync(place, { bigint: true }).type)]), pooledCalls);
  });

  for (const [how, calls] of [
    ["at once", callsFor([EXT])],
    ["by the thread pool", pooledCalls],
  ] as const) {
    describe(how, () => {
      let place = "";
      let file = "";
      beforeEach(() => {
        place = makePlace("calls");
        file = join(place, "file");
      });

      it("read every byte of a file, its identity and its attributes, whatever its size", async () => {
        for (const size of [0, 1, 4096, 1_000_003]) {
          const bytes = Buffer.alloc(size, "ü");
          writeFileSync(file, bytes);
          const seen = await readSeenFile(file, calls);
          assert.ok(seen.bytes.equals(bytes));
          assert.deepEqual([seen.content.size, seen.identity.size], [size, BigInt(size)]);
        }
      });

      it("refuse a link, a directory, and a file that does not tell its size", async () => {
        symlinkSync(file, join(place, "link"));
        mkdirSync(join(place, "directory"));
        await assert.rejects(readSeenFile(join(place, "link"), calls), { code: "ELOOP" });
        await assert.rejects(readSeenFile(join(place, "directory"), calls), { code: "corrupt" });
        await assert.rejects(readSeenFile("/proc/self/status", calls), { code: "stale_plan" });
        await assert.rejects(readSeenFile(file, calls), { code: "ENOENT" });
      });

      it("put a file in place and remove it, and leave no descriptor open", async () => {
        writeFileSync(file, "old");
        chmodSync(file, 0o640);
        const anchor = await openAnchor(place, [place], calls);
        const { identity, attributes } = await readSeenFile(file, calls);
        const commit = { assertMayWrite: () => undefined, changed: () => undefined };
        const publication = { anchor, name: "file", temp: "temp", replaces: identity, ...commit };
        await publish({ ...publication, bytes: Buffer.from("new"), attributes: { mode: attributes.mode } });
        const now = await readSeenFile(file, calls);
        assert.deepEqual([now.bytes.toString(), now.attributes.mode], ["new", 0o640]);
        await assert.rejects(remove(anchor, "file", identity, commit), { code: "stale_plan" });
        await remove(anchor, "file", now.identity, commit);
        assert.throws(() => readFileSync(file), { code: "ENOENT" });
        await assert.rejects(openAnchor(place, [join(place, "elsewhere")], calls), { code: "forbidden" });
        await anchor.close();
        assert.deepEqual(openIn(place), []);
      });

      it("keep what was read of a file whose name is taken away meanwhile, until it is let go of", async () => {
        writeFileSync(file, "old");
        const held = await readHeld(file, calls);
        writeFileSync(join(place, "new"), "new");
        renameSync(join(place, "new"), file);
        assert.deepEqual([held.bytes.toString(), readFileSync(file, "utf8")], ["old", "new"]);
        await held.release();
        await assert.rejects(readHeld(place, calls), { code: "corrupt" });
        await assert.rejects(readHeld(join(place, "nothing"), calls), { code: "ENOENT" });
        assert.deepEqual(openIn(place), []);
      });

      it("tell what is present, what is gone and what cannot be known, wherever a link leads", async () => {
        writeFileSync(file, "four");
        symlinkSync(file, join(place, "link"));
        symlinkSync(join(place, "nothing"), join(place, "dangling"));
        symlinkSync(join(place, "round"), join(place, "round"));
        const seen = async (name: string) => {
          const presence = await calls.presence(join(place, name), 10);
          if (presence.state === "present") return presence.stats.size;
          return presence.state === "unknown" ? presence.errno : presence.state;
        };
        const names = ["file", "link", "dangling", "nothing", "file/below", "round", "x".repeat(300)];
        assert.deepEqual(await Promise.all(names.map(seen)), [4n, 4n, "gone", "gone", "gone", "ELOOP", "ENAMETOOLONG"]);
      });

      it("list a directory with what its names are", async () => {
        writeFileSync(file, "");
        mkdirSync(join(place, "directory"));
        const listed = await calls.list(place);
        assert.deepEqual(
          new Map(listed.map((entry) => [entry.name, [entry.isFile(), entry.isDirectory()]])),
          new Map([
            ["directory", [false, true]],
            ["file", [true, false]],
          ]),
        );
        await assert.rejects(async () => calls.list(file), { code: "ENOTDIR" });
      });
    });
  }
});

/** What this process has open in a directory. */
function openIn(place: string): string[] {
  const open = readdirSync("/proc/self/fd").map((number) => linkAt(`/proc/self/fd/${number}`));
  return open.filter((path) => path.startsWith(place));
}

/** Where a link leads; nowhere when it is gone by now. */
function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error && error.code === "ENOENT", String(error));
    return "";
  }
}

describe("times that are set together", () => {
  it("are each file's own to the nanosecond, and no name is taken for a command or an option", async () => {
    const place = makePlace("times");
    const names = ["-r", "a b", "it's", "$(touch made)", "`touch made`", "; touch made", "back\\slash", "new\nline"];
    for (const name of names) writeFileSync(join(place, name), name);
    const timeOf = (index: number) => 1_700_000_000_123_456_789n + BigInt(index) * 1_000_000_007n;
    const exact = await Promise.all(names.map((name, index) => setMtime(join(place, name), timeOf(index))));
    assert.deepEqual(exact, Array(names.length).fill(true));
    for (const [index, name] of names.entries()) {
      assert.equal(statSync(join(place, name), { bigint: true }).mtimeNs, timeOf(index));
    }
    assert.deepEqual(readdirSync(place).toSorted(), names.toSorted());
  });
});

describe("what keeps locks", () => {
  it("does not keep the process when it was started and no lock was taken", () => {
    const lock = new URL("../../shared/lock.ts", import.meta.url).href;
    const program = `import { expectLocks } from "${lock}"; expectLocks({ guardDirectory: "${makePlace("state")}" });`;
    execFileSync(execPath, ["--input-type=module", "-e", program], { timeout: 60_000 });
  });
});

describe("files that are synced together", () => {
  it("tell each who asked of its own failure, and of no other", async () => {
    const place = makePlace("sync");
    const [good, closed] = [openSync(place, "r"), openSync(place, "r")];
    closeSync(closed);
    const outcomes = await Promise.allSettled([
      syncTogether(good),
      syncTogether(closed),
      syncTogether(closed, "one place"),
      syncTogether(good, "one place"),
    ]);
    closeSync(good);
    // Who names the same place shares the call of the first.
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "rejected", "rejected"],
    );
  });
});
