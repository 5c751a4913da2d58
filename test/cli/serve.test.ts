import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeLog } from "../../cli/log.ts";
import { unitOf } from "../../cli/service-unit.ts";
import { cli, cliEnvironment } from "../support/cli.ts";
import { makePlace } from "../support/place.ts";

const PARTS = {
  command: ["/usr/bin/node", "/opt/cache-ops/cache-ops.js", "serve"],
  stateDirectory: "/var/lib/cache-ops",
  configFile: "/etc/cache-ops.json",
  tokenFile: "/var/lib/cache-ops/mcp-token",
  roots: ["/srv/media"],
};

describe("the unit for systemd", () => {
  it("lets the service write to its state and the configured roots, and nowhere else", () => {
    const place = makePlace("config");
    const config = join(place, "config.json");
    const [films, downloads] = [join(place, 'films "4K" 100%'), join(place, "down $loads")];
    for (const root of [films, downloads]) mkdirSync(root);
    const libraries = [{ name: "films", roots: [films, join(place, "disk*/media")] }];
    writeFileSync(config, JSON.stringify({ libraries, managed: [{ name: "downloads", root: downloads }] }));
    const state = join(place, "state");
    const { code, stdout } = cli(["serve", "--port", "8080", "--print-unit"], cliEnvironment(state, config));
    assert.equal(code, 0);
    const [line = ""] = /^ReadWritePaths=.*$/m.exec(stdout) ?? [];
    const quoted = films.replaceAll('"', '\\"').replaceAll("%", "%%");
    assert.equal(line, `ReadWritePaths="-${state}" "-${quoted}" "-${place}" "-${downloads}"`);
    assert.match(stdout, /^ProtectSystem=strict$/m);
    assert.match(stdout, /^ExecStart=.*"serve" "--port" "8080"$/m);
    assert.doesNotMatch(stdout, /print-unit"/);
  });

  it("is one that systemd reads without complaint, also with names that have a meaning for it", () => {
    const program = join(makePlace("program"), "node % $HOME \"x\" 'y'");
    writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
    const roots = ["/srv/a b", '/srv/"quoted"', "/srv/100%", "/srv/$HOME", "/srv/back\\slash", "/srv/new\nline"];
    for (const parts of [{}, { roots }, { command: ["/bin/sh", program, "serve"] }]) {
      const file = join(makePlace("unit"), "cache-ops.service");
      writeFileSync(file, unitOf({ ...PARTS, command: ["/bin/sh"], ...parts }));
      const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""]);
    }
  });

  it("does not hide the directories for temporary files where the service has work in them", () => {
    assert.match(unitOf(PARTS), /^PrivateTmp=yes$/m);
    for (const root of ["/tmp", "/tmp/downloads", "/var/tmp/x"]) {
      assert.match(unitOf({ ...PARTS, roots: [root] }), /^PrivateTmp=no$/m);
    }
    assert.match(unitOf({ ...PARTS, roots: ["/tmpfiles"] }), /^PrivateTmp=yes$/m);
  });
});

describe("the log", () => {
  const lines: string[] = [];
  const log = makeLog(
    (line) => lines.push(line),
    () => 0,
    ["s3cret-of-the-operator", undefined, ""],
  );

  it("is one line of JSON an event, with its time", () => {
    log("request", { path: "/a\nb", status: 200 });
    assert.equal(
      lines.at(-1),
      '{"time":"1970-01-01T00:00:00.000Z","message":"request","path":"/a\\nb","status":200}\n',
    );
  });

  it("holds no secret: neither by its name, nor by its value, nor in an address, however deep", () => {
    log("x", {
      token: "abc123",
      deep: { Authorization: "abc123", webhookSecret: "abc123", list: [{ password: "abc123", apiKey: "abc123" }] },
      error: "cannot reach redis://user:abc123@host:6379/0 with s3cret-of-the-operator",
    });
    const line = lines.at(-1) ?? "";
    assert.ok(!line.includes("abc123"), line);
    assert.ok(!line.includes("s3cret"), line);
    assert.match(line, /redis:\/\/\[redacted\]@host:6379/);
  });
});

describe("the command serve", () => {
  it("does not start with a number that is none, or a token that others can read", () => {
    const state = makePlace("state");
    assert.equal(cli(["serve", "--port", "http"], cliEnvironment(state)).code, 2);
    writeFileSync(join(state, "open-token"), "a".repeat(43), { mode: 0o644 });
    const refused = cli(["serve", "--port", "0", "--token-file", join(state, "open-token")], cliEnvironment(state));
    assert.equal(refused.code, 16);
    assert.match(refused.stderr, /can be read by others/);
  });

  it("says where nobody listens that the address is taken", () => {
    const { code, stderr } = cli(["serve", "--host", "192.0.2.1", "--port", "0"], cliEnvironment());
    assert.equal(code, 14, stderr);
    assert.match(stderr, /EADDRNOTAVAIL/);
  });
});
