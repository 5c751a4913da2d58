import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { openAnchor, type Anchor } from "../../shared/anchor.ts";
import { publish, remove, type Publication } from "../../shared/atomic.ts";
import { readSeenFile } from "../../shared/file.ts";
import { setMtime } from "../../shared/mtime.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { mountTmpfs, unmountAll } from "./mounts.ts";
import { operate, planCleanup } from "./scene.ts";

const TEMP = ".cache-ops-run-test-1.tmp";
const COMMIT = { assertMayWrite: () => undefined, changed: () => undefined };

describe("publish", function () {
  this.timeout(300_000);
  let place: string;
  let file: string;
  let anchor: Anchor;

  beforeEach(async () => open(makePlace("atomic")));
  afterEach(async () => anchor.close());
  after(unmountAll);

  it("puts all bytes in place, with the mode, the owner and the times it was given", async () => {
    const attributes = {
      mode: 0o640,
      uid: 1000,
      gid: 1001,
      mtimeNs: "1234567890123456789",
      atimeNs: "1234567890000000000",
    };
    await put({ bytes: Buffer.from("new"), attributes });
    const { mode, uid, gid, mtimeNs } = statSync(file, { bigint: true });
    assert.deepEqual([mode & 0o7777n, uid, gid, mtimeNs], [0o640n, 1000n, 1001n, 1234567890123456789n]);
    assert.equal(readFileSync(file, "utf8"), "new");
    assert.deepEqual(readdirSync(place), ["file"]);
  });

  for (const [what, change] of [
    ["was written", () => writeFileSync(file, "foreign")],
    ["was replaced by a file of the same size and time", () => replaceAlike(file)],
    ["was removed", () => unlinkSync(file)],
    ["became a link", () => (unlinkSync(file), symlinkSync("elsewhere", file))],
  ] as const) {
    it(`refuses when the file ${what} between reading and renaming, and leaves it alone`, async () => {
      let left: string[] = [];
      const assertMayWrite = () => {
        change();
        left = statesOf(place).filter((line) => !line.startsWith(TEMP));
      };
      await assert.rejects(put({ bytes: Buffer.from("new"), assertMayWrite }), { code: "stale_plan" });
      assert.deepEqual(statesOf(place), left);
    });
  }

  it("refuses to make a file where one came into being meanwhile", async () => {
    unlinkSync(file);
    const assertMayWrite = () => writeFileSync(file, "foreign");
    const publication = { bytes: Buffer.from("new"), replaces: "absent", assertMayWrite } as const;
    await assert.rejects(put(publication), { code: "stale_plan" });
    assert.equal(readFileSync(file, "utf8"), "foreign");
    assert.deepEqual(readdirSync(place), ["file"]);
  });

  it("leaves no trace when the right to write was lost", async () => {
    const before = statesOf(place);
    const assertMayWrite = () => {
      throw new Error("the lock is gone");
    };
    await assert.rejects(put({ bytes: Buffer.from("new"), assertMayWrite }), /the lock is gone/);
    assert.deepEqual(statesOf(place), before);
  });

  it("does not write through a link somebody planted at its temporary name", async () => {
    const victim = join(makePlace("victim"), "victim");
    writeFileSync(victim, "precious");
    symlinkSync(victim, join(place, TEMP));
    await assert.rejects(put({ bytes: Buffer.from("new") }), { code: "EEXIST" });
    assert.equal(readFileSync(victim, "utf8"), "precious");
    assert.equal(readFileSync(file, "utf8"), "old");
  });

  it("works for a name of 255 bytes", async () => {
    file = join(place, "ü".repeat(127) + "x");
    renameSync(join(place, "file"), file);
    await put({ bytes: Buffer.from("new") });
    assert.equal(readFileSync(file, "utf8"), "new");
  });

  it("on a disk with too little space publishes all or nothing, whatever is left of it", async () => {
    await anchor.close();
    await open(mountTmpfs("256k"));
    const { bsize } = statfsSync(place);
    const bytes = Buffer.alloc(bsize * 6 + 17, "n");
    const outcomes = new Set<string>();
    for (let pages = 0; pages < 12; pages += 1) {
      writeFileSync(file, "old");
      writeFileSync(join(place, "ballast"), Buffer.alloc((statfsSync(place).bfree - pages) * bsize));
      const outcome = await codeOf(put({ bytes }));
      outcomes.add(outcome);
      assert.equal(
        readFileSync(file, "latin1"),
        outcome === "done" ? bytes.toString("latin1") : "old",
        `${pages} pages`,
      );
      unlinkSync(join(place, "ballast"));
      assert.deepEqual(readdirSync(place), ["file"]);
    }
    assert.deepEqual([...outcomes], ["ENOSPC", "done"]);
  });

  it("is matched by a removal that refuses a file that is no longer the one seen", async () => {
    const { identity } = await readSeenFile(file);
    writeFileSync(file, "foreign");
    await assert.rejects(remove(anchor, "file", identity, COMMIT), { code: "stale_plan" });
    assert.equal(readFileSync(file, "utf8"), "foreign");
    await remove(anchor, "file", (await readSeenFile(file)).identity, COMMIT);
    assert.deepEqual(readdirSync(place), []);
  });

  async function open(directory: string): Promise<void> {
    place = directory;
    file = join(place, "file");
    writeFileSync(file, "old");
    anchor = await openAnchor(place, [place]);
  }

  async function put(parts: Partial<Publication> & Pick<Publication, "bytes">): Promise<void> {
    const replaces = parts.replaces ?? (await readSeenFile(file)).identity;
    const name = file.slice(place.length + 1);
    await publish({ anchor, name, temp: TEMP, replaces, attributes: {}, ...COMMIT, ...parts });
  }
});

describe("a cache that is edited", () => {
  it("keeps its mode and its owner", async () => {
    const root = makePlace("library");
    const { cache, apply } = await planned(root, join(root, "films"));
    chmodSync(cache, 0o664);
    chownSync(cache, 1000, 1001);
    assert.equal((await apply())["status"], "complete");
    const { mode, uid, gid } = statSync(cache);
    assert.deepEqual([mode & 0o7777, uid, gid], [0o664, 1000, 1001]);
  });

  it("through a link is edited where it lies, and the link stays", async () => {
    const root = makePlace("library");
    const store = makeDirectory(root, "store");
    const films = makeDirectory(root, "films");
    const [gone] = makeMovies(films, ["Gone.mkv", "Here.mkv"]);
    unlinkSync(gone ?? "");
    renameSync(join(films, CACHE), join(store, "films.json"));
    symlinkSync("../store/films.json", join(films, CACHE));
    const state = makePlace("state");
    const report = await operate(state, "apply", { plan: await planCleanup(state, [root]) });
    assert.equal(report["status"], "complete");
    assert.equal(readlinkSync(join(films, CACHE)), "../store/films.json");
    assert.ok(!readFileSync(join(store, "films.json"), "utf8").includes("Gone.mkv"));
    assert.deepEqual(readdirSync(store), ["films.json"]);
  });

  async function planned(root: string, films: string) {
    const [gone] = makeMovies(films, ["Gone.mkv", "Here.mkv"]);
    unlinkSync(gone ?? "");
    const state = makePlace("state");
    const plan = await planCleanup(state, [root]);
    return { cache: join(films, CACHE), apply: () => operate(state, "apply", { plan }) };
  }
});

describe("setMtime", () => {
  for (const mtimeNs of [
    1_700_000_000_123_456_789n,
    1_700_000_000_000_000_001n,
    1_700_000_000_999_999_999n,
    1n,
    0n,
    -1n,
    -1_500_000_000n,
    -86_400_000_000_001n,
    4_102_444_800_100_000_007n,
  ]) {
    it(`gives a file exactly ${mtimeNs} ns, and tells so`, async () => {
      const file = join(makePlace("mtime"), "-file with spaces");
      writeFileSync(file, "x");
      assert.equal(await setMtime(file, mtimeNs), true);
      assert.equal(statSync(file, { bigint: true }).mtimeNs, mtimeNs);
    });
  }
});

/** Puts another file in the place of one, with its content's size and its times. */
function replaceAlike(file: string): void {
  const { atimeMs, mtimeMs, size } = statSync(file);
  writeFileSync(`${file}.other`, "x".repeat(size));
  utimesSync(`${file}.other`, atimeMs / 1000, mtimeMs / 1000);
  renameSync(`${file}.other`, file);
}

function statesOf(directory: string): string[] {
  return readdirSync(directory).map((name) => {
    const { ino, size, mode, mtimeNs } = lstatSync(join(directory, name), { bigint: true });
    return [name, ino, size, mode, mtimeNs].join(" ");
  });
}

async function codeOf(work: Promise<void>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}
