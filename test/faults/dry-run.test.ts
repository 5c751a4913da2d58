import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

import { isInside } from "../../shared/anchor.ts";
import { operations } from "../../shared/index.ts";
import { QUARANTINE_NAME } from "../../shared/naming.ts";
import { fill } from "../shared/managed/managed-place.ts";
import { cli, cliEnvironment, PROGRAM } from "../support/cli.ts";
import { startDockerList } from "../support/docker-list.ts";
import { KEY, makeJellyfin } from "../support/jellyfin.ts";
import { CACHE, copyLibrary, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { WRITE_CALLS } from "./traced.ts";

describe("an operation that only reads", function () {
  this.timeout(300_000);
  let root: string;
  let original: string[];
  let managed: string;
  let config: string;
  let closeJellyfin = () => undefined as void;
  after(() => closeJellyfin());

  before(async () => {
    root = copyLibrary("library-legacy");
    // Something to do for each: an orphan, a damaged cache, an abandoned temp file, a lock of ours.
    const [gone] = makeMovies(join(root, "cut"), ["Gone (2001).mkv", "Here (2002).mkv"]);
    unlinkSync(gone ?? "");
    makeMovies(join(root, "damaged"), ["Broken (2003).mkv"]);
    const damaged = join(root, "damaged", CACHE);
    writeFileSync(damaged, readFileSync(damaged, "utf8").slice(0, -20));
    writeFileSync(join(root, "cut", `${CACHE}.tmp`), "{}");
    utimesSync(join(root, "cut", `${CACHE}.tmp`), 1_600_000_000, 1_600_000_000);
    // And a managed cache over its quota, with a directory in the quarantine.
    managed = makePlace("managed");
    config = join(makePlace("config"), "config.json");
    const docker = await startDockerList([{ id: "a1".repeat(32) }]);
    const jellyfin = await makeJellyfin().serve();
    closeJellyfin = jellyfin.close;
    const configuration = {
      managed: [{ name: "downloads", root: managed, maxBytes: 2000 }],
      engines: [{ name: "ace", socket: docker.endpoint }],
      jellyfin: [{ name: "home", url: jellyfin.url }],
    };
    writeFileSync(config, JSON.stringify(configuration));
    for (const name of ["a", "b", "c"]) fill(managed, `${name}/film.bin`, 1000, 86_400);
    fill(managed, `${QUARANTINE_NAME}/00000000-old/film.bin`, 10, 86_400);
    original = [...treeState(root), ...treeState(managed)];
  });

  const reads = operations.filter(({ effect, input }) => effect === "read" && requiredOf(input).length === 0);

  it("is check, cleanup, repair, list or stats, among others", () => {
    const names = reads.map(({ name }) => name);
    for (const name of ["check", "cleanup", "repair", "list", "stats"]) assert.ok(names.includes(name), name);
  });

  for (const { name, input } of reads) {
    const options = name === "repair" ? ["--migrate"] : name === "cleanup" ? ["--changed"] : [];
    it(`makes no writing system call outside the state directory: ${[name, ...options].join(" ")}`, async () => {
      const state = makePlace("state");
      const isOfManaged = "cache" in input.properties;
      if (isOfManaged) assert.equal(cli(["reconcile"], cliEnvironment(state, config)).code, 0);
      const paths = name === "warm" ? ["a"] : !isOfManaged && "paths" in input.properties ? [root] : [];
      const isElsewhere = "engine" in input.properties || "server" in input.properties;
      const words = [name, ...paths, ...options];
      const { lines, code, output } = await trace(words, state, isOfManaged || isElsewhere ? config : undefined);
      assert.ok([0, 1].includes(code ?? -1), `exit code ${code}: ${output}`);
      assert.ok(lines.length > 0);
      const outside = lines.flatMap((line) => writtenPaths(line).map((path) => ({ path, line })));
      assert.deepEqual(
        outside.filter(({ path }) => !isInside(state, path) && !HARMLESS.test(path)),
        [],
      );
      assert.deepEqual([...treeState(root), ...treeState(managed)], original);
    });
  }

  it("is told apart from one that writes by the same trace", async () => {
    const state = makePlace("state");
    const place = makePlace("library");
    const [gone] = makeMovies(join(place, "cut"), ["Gone (2001).mkv", "Here (2002).mkv"]);
    unlinkSync(gone ?? "");
    const { lines, code } = await trace(["cleanup", place, "--apply", "--yes"], state);
    assert.equal(code, 0);
    const written = lines.flatMap(writtenPaths).filter((path) => !isInside(state, path) && !HARMLESS.test(path));
    assert.ok(written.some((path) => /\.cache-ops-run-.*\.tmp$/.test(path)));
    assert.ok(written.some((path) => path.endsWith(CACHE)));
  });
});

/** What a program may write to that is no file: its standard streams and the kernel's own objects. */
const HARMLESS = /^(\/dev\/(null|tty|pts\/\d+)|(pipe|socket|anon_inode):)/;

function requiredOf(schema: { readonly required?: readonly string[] }): readonly string[] {
  return schema.required ?? [];
}

/** Runs the command line under strace; what it asks in this process is answered meanwhile. */
async function trace(words: readonly string[], state: string, config?: string) {
  const file = join(makePlace("trace"), "trace");
  const options = ["-f", "-y", "-s", "4096", "-e", `trace=${WRITE_CALLS.join(",")}`, "-o", file];
  const child = spawn("strace", [...options, process.execPath, PROGRAM, ...words, "--json"], {
    env: { ...cliEnvironment(state, config), CACHE_OPS_JELLYFIN_HOME_TOKEN: KEY },
    cwd: makePlace("cwd"),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const lines = readFileSync(file, "utf8").split("\n");
  const calls = lines.filter((line) => /^\d+ +[a-z0-9_]+\(/.test(line));
  return { lines: calls, code: code as number | null, output: stdout + stderr };
}

/** The files that one traced call would change; none for an open that only reads. */
function writtenPaths(line: string): string[] {
  const [, call = "", rest = ""] = /^\d+ +([a-z0-9_]+)\((.*)/s.exec(line) ?? [];
  if (call.startsWith("open") && !/O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND/.test(rest)) return [];
  const descriptor = /^(?:AT_FDCWD|\d+)<(.*?)>(?:,|\)| <unf)/.exec(rest)?.[1];
  if (!BY_PATH.test(call)) return [descriptor ?? rest];
  const named = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path = ""]) => path);
  const base = descriptor ?? "/";
  return named.length === 0 ? [base] : named.map((path) => resolve(base, path));
}

const BY_PATH =
  /^(open|creat|mk|rmdir|unlink|rename|link|symlink|chmod|fchmodat|chown|lchown|fchownat|ut|futimesat|truncate|l?setx|l?removex)/;
