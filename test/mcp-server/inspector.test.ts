import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";

import { operations } from "../../shared/index.ts";
import { cliEnvironment } from "../support/cli.ts";
import { startDockerList } from "../support/docker-list.ts";
import { KEY, makeJellyfin } from "../support/jellyfin.ts";
import { copyLibrary, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";

const INSPECTOR = new URL(
  "../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
  import.meta.url,
).pathname;
const BIN = new URL("../../cli/bin/cache-ops.js", import.meta.url).pathname;
const MEDIA = "movies/Names/.hidden.mkv";

/** Every tool, those that are offered on request only as well. */
const ALL = operations.map(({ name }) => name).join(",");

/** What the Inspector printed, parsed, and its exit code: 5 for a tool's error, 6 for a schema that does not travel. */
interface Inspected {
  readonly code: number;
  readonly result: Record<string, unknown>;
  readonly stderr: string;
}

describe("the Inspector, over standard input and output,", function () {
  // It starts itself and the server anew for each call.
  this.timeout(600_000);
  const library = { path: "", state: "", home: "", before: [] as string[], close: () => undefined as void };

  before(async () => {
    library.path = copyLibrary();
    rmSync(join(library.path, "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv"));
    library.state = makePlace("state");
    library.home = makePlace("home");
    const managed = makePlace("managed");
    writeMedia(join(managed, "Alien"), "film.mkv");
    // The Inspector hands its server no variables but the usual ones.
    const config = join(makeDirectory(library.home, ".config", "cache-ops"), "config.json");
    const docker = await startDockerList([{ id: "a1".repeat(32) }]);
    const jellyfin = await makeJellyfin().serve();
    library.close = jellyfin.close;
    writeFileSync(
      config,
      JSON.stringify({
        managed: [{ name: "media", root: managed }],
        engines: [{ name: "ace", socket: docker.endpoint }],
        jellyfin: [{ name: "home", url: jellyfin.url }],
      }),
    );
    library.before = treeState(library.path);
  });

  after(() => library.close());

  async function inspect(...words: readonly string[]): Promise<Inspected> {
    const key = `CACHE_OPS_JELLYFIN_HOME_TOKEN=${KEY}`;
    const program = ["env", key, execPath, BIN, "mcp", "--root", library.path, "--tools", ALL];
    const args = [INSPECTOR, "--cli", ...words, "--", ...program];
    const env = {
      ...cliEnvironment(library.state),
      HOME: library.home,
      MCP_CATALOG_PATH: join(library.home, "catalog.json"),
    };
    return new Promise((resolve) => {
      execFile(execPath, args, { env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code ?? -1);
        const result = (stdout.trim() === "" ? {} : JSON.parse(stdout)) as Record<string, unknown>;
        resolve({ code, result, stderr });
      });
    });
  }

  async function call(name: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const words = ["--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args)];
    const { code, result, stderr } = await inspect(...words);
    assert.equal(code, 0, `${name}: ${stderr}`);
    assert.notEqual(result["isError"], true, name);
    called.add(name);
    return result["structuredContent"] as Record<string, unknown>;
  }
  const called = new Set<string>();

  it("finds no schema of a tool that a client could stumble over", async () => {
    const { code, result, stderr } = await inspect("--method", "tools/list", "--strict");
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /^(Error|Warning):/m);
    assert.deepEqual(
      (result["tools"] as { name: string }[]).map(({ name }) => name),
      operations.map(({ name }) => name),
    );
  });

  it("calls every tool without an error", async () => {
    for (const { name, effect } of operations) {
      const args = name === "probe" ? { paths: [library.path] } : {};
      if (effect === "read" && !["restore", "info", "warm"].includes(name)) await call(name, args);
    }
    await call("schedule");
    assert.equal((await call("reconcile"))["registered"], 1);
    for (const name of ["register", "touch", "pin", "info", "forget"]) await call(name, { path: "Alien" });
    assert.equal((await call("warm", { paths: ["Alien"] }))["status"], "empty");
    await call("backup", { archive: "before.tar.gz" });
    assert.equal((await call("restore", { archive: "before.tar.gz" }))["status"], "empty");
    assert.deepEqual(treeState(library.path), library.before);
    const { plan, acknowledge } = await call("cleanup");
    const report = await call("apply", { plan, acknowledge });
    assert.equal(report["entries"], 1);
    const runs = (await call("history"))["runs"] as { run: string; acknowledge: string }[];
    await call("undo", { run: runs[0]?.run, acknowledge: runs[0]?.acknowledge });
    assert.deepEqual(treeState(library.path), library.before);
    await call("record", { media: join(library.path, MEDIA), failed: "the encoder stopped" });
    await call("scan");
    await call("import");
    await call("invalidate", { state: "failed" });
    assert.deepEqual([...called].toSorted(), operations.map(({ name }) => name).toSorted());
  });

  it("is told of bad input and of an unknown tool by its exit code", async () => {
    for (const words of [
      ["--tool-name", "check", "--tool-arg", "path=x"],
      ["--tool-name", "format_disk"],
    ]) {
      assert.equal((await inspect("--method", "tools/call", ...words)).code, 5, words.join(" "));
    }
  });

  it("reads the resources and gets the prompts", async () => {
    const read = await inspect("--method", "resources/read", "--uri", "cache://libraries");
    assert.equal(read.code, 0, read.stderr);
    assert.equal((read.result["contents"] as unknown[]).length, 1);
    const got = await inspect("--method", "prompts/get", "--prompt-name", "weekly_maintenance");
    assert.equal(got.code, 0, got.stderr);
    assert.equal((got.result["messages"] as unknown[]).length, 1);
  });
});
