import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { namesIn, orchestratorOf, startEngine } from "../shared/engine/empty-place.ts";
import { cliEnvironment } from "../support/cli.ts";
import { prepareDocker } from "../support/docker.ts";
import { KEY, makeJellyfin } from "../support/jellyfin.ts";
import { makePlace } from "../support/place.ts";
import { blocks, commandsOf, ROOT } from "../support/readme.ts";

/** The first object of its list in the README's configuration of this kind. */
function configured(kind: "engines" | "jellyfin"): Record<string, unknown> {
  const text = blocks("json").find((block) => block.includes(`"${kind}"`)) ?? "{}";
  const [first] = (JSON.parse(text) as Record<string, Record<string, unknown>[]>)[kind] ?? [];
  return first ?? {};
}

describe("the README, with an engine and a Jellyfin server as it speaks of them,", () => {
  const host = prepareDocker();

  it("tells the truth in each of its commands about them", async () => {
    const id = startEngine(host, "engine");
    const orchestrator = await orchestratorOf(id);
    const server = makeJellyfin();
    const { url, close } = await server.serve(40);
    const config = join(makePlace("config"), "config.json");
    const engine = { ...configured("engines"), socket: host.socket, grace: "0s" };
    writeFileSync(
      config,
      JSON.stringify({
        engines: [{ ...engine, orchestrator: { url: orchestrator.url } }],
        jellyfin: [{ ...configured("jellyfin"), url, poll: "1s" }],
      }),
    );
    const env = { ...cliEnvironment(makePlace("state"), config), CACHE_OPS_JELLYFIN_HOME_TOKEN: KEY };
    const commands = commandsOf("remotes");
    assert.ok(commands.length >= 7, commands.join());
    try {
      for (const command of commands) {
        const child = spawn("sh", ["-c", command], { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
        const [stdout, stderr, [code]] = await Promise.all([
          text(child.stdout),
          text(child.stderr),
          once(child, "exit"),
        ]);
        assert.equal(code, 0, `${command}\n${stdout}\n${stderr}`);
      }
      assert.deepEqual(namesIn(host, id), []);
      assert.equal(server.sections.Series.content(), "full");
    } finally {
      close();
      await orchestrator.stop();
    }
  });
});
