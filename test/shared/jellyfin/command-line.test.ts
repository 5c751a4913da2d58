import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { text } from "node:stream/consumers";

import { cliEnvironment, PROGRAM } from "../../support/cli.ts";
import { KEY, makeJellyfin } from "../../support/jellyfin.ts";
import { makePlace } from "../../support/place.ts";

/** The command line beside a server of this very process, which has to answer meanwhile. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn(execPath, [PROGRAM, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code: Number(code), stdout, stderr };
}

/** A stand-in that is served, a server that nobody runs, and the environment of a command line that knows both. */
async function scene() {
  const home = makeJellyfin({ version: "12.0.0", basePath: "/jellyfin" });
  const { url, close } = await home.serve(40);
  const gone = await makeJellyfin().serve();
  gone.close();
  const config = join(makePlace("config"), "config.json");
  const settings = { poll: "1s", answerLimit: "1s" };
  writeFileSync(
    config,
    JSON.stringify({
      jellyfin: [
        { name: "home", url, ...settings },
        { name: "down", url: gone.url, ...settings },
      ],
    }),
  );
  const file = join(makePlace("key"), "key");
  writeFileSync(file, `${KEY}\n`, { mode: 0o600 });
  const state = makePlace("state");
  const env = {
    ...cliEnvironment(state, config),
    CACHE_OPS_JELLYFIN_HOME_TOKEN_FILE: file,
    CACHE_OPS_JELLYFIN_DOWN_TOKEN: KEY,
  };
  return { home, close, state, file, env };
}

describe("the command line and Jellyfin", () => {
  it("shows, clears, applies and lists, each in words; the key is in nothing that is printed or stored", async () => {
    const { home, close, state, env } = await scene();
    const printed: string[] = [];
    const say = async (...args: string[]) => {
      const result = await run(args, env);
      printed.push(result.stdout, result.stderr);
      return result;
    };
    try {
      const shown = await say("jellyfin");
      assert.equal(shown.code, 3, shown.stderr);
      assert.match(shown.stdout, /1 Jellyfin server, 1 could not be looked at\./);
      assert.match(shown.stdout, /down: .*ECONNREFUSED/);
      assert.equal((await say("clear", "down", "--json")).code, 14);
      const planned = await say("clear", "home", "--section", "series", "--detail", "full", "--json");
      const { plan } = JSON.parse(planned.stdout) as { plan: string };
      const unfilled = await say("clear", "home", "--section", "series", "--no-refill");
      assert.match(unfilled.stdout, / clear +series +home\/series +requested: Database populated: 12 items/);
      assert.match(unfilled.stdout, /This cannot be undone\./);
      const applied = await say("apply", plan, "--yes", "--detail", "full", "--json");
      assert.deepEqual([applied.code, home.sections.Series.content()], [0, "full"], applied.stdout);
      const history = await say("history", "--json");
      assert.match(history.stdout, /"status": ?"complete"/);
    } finally {
      close();
    }
    const stored = readdirSync(state, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
    for (const secret of [KEY, encodeURIComponent(KEY), Buffer.from(KEY).toString("latin1")]) {
      assert.ok([...printed, ...stored].every((bytes) => !bytes.includes(secret)));
    }
  });

  it("names a key's file that others can read, without what is in it", async () => {
    const { close, file, env } = await scene();
    chmodSync(file, 0o644);
    try {
      const { code, stdout } = await run(["jellyfin", "home", "--json"], env);
      assert.equal(code, 2);
      assert.match(stdout, /CACHE_OPS_JELLYFIN_HOME_TOKEN_FILE can be read by others/);
      assert.ok(!stdout.includes("admin"));
    } finally {
      close();
    }
  });
});
