import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { managedSettings, fill, setAge } from "../shared/managed/managed-place.ts";
import { S3_KEYS, startS3 } from "../shared/managed/s3-server.ts";
import { cli, cliEnvironment } from "../support/cli.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";

describe("on the command line, a directory", () => {
  it("is archived and warmed with keys from the environment or from files that only their owner reads", async () => {
    const server = await startS3();
    const [root, keys] = [makePlace("managed"), makePlace("keys")];
    fill(root, "films/deep/film.bin", 5000, 200_000);
    fill(root, "other/film.bin", 10, 200_000);
    setAge(join(root, "films"), 200_000);
    const before = treeState(join(root, "films"));
    const config = join(keys, "config.json");
    const managed = [managedSettings(root, { archive: server.settings, quarantine: "0s" })];
    writeFileSync(config, JSON.stringify({ managed }));
    const secretFile = join(keys, "secret");
    writeFileSync(secretFile, `${S3_KEYS.secretAccessKey}\n`, { mode: 0o600 });
    const env = {
      ...cliEnvironment(undefined, config),
      AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY_FILE: secretFile,
    };
    const run = (...words: readonly string[]) => {
      const result = cli([...words, "--json"], env);
      assert.equal(result.code, 0, result.stdout + result.stderr);
      assert.ok(!(result.stdout + result.stderr).includes(S3_KEYS.secretAccessKey));
      return result.json<{ plan: string; status: string }>();
    };
    run("register", "films");
    const evicted = run("apply", run("evict", "media", "--paths", "films").plan);
    assert.equal(evicted.status, "complete");
    assert.equal(existsSync(join(root, "films")), false);
    assert.equal(run("apply", run("warm", "films").plan).status, "complete");
    assert.deepEqual(treeState(join(root, "films")), before);
  });
});
