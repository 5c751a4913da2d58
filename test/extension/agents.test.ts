import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { CancellationToken } from "vscode";

import { agentTools } from "../../extension/agent-tools.ts";
import { prepareCommandLine } from "../../extension/command-line.ts";
import type { Editor } from "../../extension/editor.ts";
import { jellyfinKeyName } from "../../extension/jellyfin-key.ts";
import { writePrivateFile } from "../../extension/private-file.ts";
import { isReadableOnTheWay, remoteServersIn, tokenKey } from "../../extension/remote-servers.ts";
import { OFFERED, parseTask } from "../../extension/task-definition.ts";
import { Configuration, parse } from "../../shared/index.ts";
import { makePlace } from "../support/place.ts";

describe("the file that tells agents the configuration", () => {
  it("can be read by nobody else, and takes the place of an older one as a whole", async () => {
    const file = join(makePlace(), "storage", "config.json");
    await writePrivateFile(file, "old");
    await writePrivateFile(file, "new");
    assert.equal(readFileSync(file, "utf8"), "new");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(file, "..")), ["config.json"]);
  });

  it("is as it was, with nothing beside it, when the new one cannot be put there", async () => {
    const directory = makePlace();
    const file = join(directory, "config.json");
    mkdirSync(file);
    writeFileSync(join(file, "kept"), "");
    await assert.rejects(writePrivateFile(file, "new"));
    assert.deepEqual(readdirSync(directory), ["config.json"]);
    assert.deepEqual(readdirSync(file), ["kept"]);
  });
});

describe("the tools for agents", () => {
  it("are the usual ones, and those for a kind of cache only where such a cache is configured", () => {
    const toolsOf = (configuration: object) => agentTools(parse(Configuration, configuration, "configuration"));
    const [managed, engines, jellyfin] = [
      [{ name: "downloads", root: "/srv/downloads" }],
      [{ name: "ace" }],
      [{ name: "home", url: "http://127.0.0.1:8096" }],
    ];
    assert.equal(toolsOf({}), undefined);
    assert.equal(toolsOf({ managed }), "default,managed");
    assert.equal(toolsOf({ engines }), "default,engines");
    assert.equal(toolsOf({ jellyfin }), "default,jellyfin");
    assert.equal(toolsOf({ jellyfin, engines, managed }), "default,managed,engines,jellyfin");
  });
});

describe("the API key of a Jellyfin server", () => {
  it("is kept by address, so that a name that means another server takes none along", () => {
    const nameOf = (url: string) => jellyfinKeyName({ url });
    assert.notEqual(nameOf("http://a:8096"), nameOf("http://b:8096"));
    assert.notEqual(nameOf("http://a/jellyfin"), nameOf("http://a"));
    assert.equal(nameOf("http://A:8096/jellyfin/"), nameOf("http://a:8096/jellyfin"));
  });
});

describe("the command line that the editor runs", () => {
  it("gets the API keys of Jellyfin servers by its environment, and the file with its configuration holds none", async () => {
    const storage = makePlace("storage");
    const [home, spare] = [
      { name: "home", url: "http://127.0.0.1:8096" },
      { name: "spare", url: "http://127.0.0.1:8097" },
    ];
    const places = {
      stateDirectory: "/state",
      configuration: { jellyfin: [home, spare] },
      keyVariables: { home: "HOME_TOKEN", spare: "SPARE_TOKEN" },
    };
    const secrets = new Map([[jellyfinKeyName(home), "the key"]]);
    const editor = {
      engine: { request: async () => places },
      extension: {
        extensionPath: "/extension",
        storageUri: { fsPath: storage },
        secrets: { get: async (name: string) => secrets.get(name) },
      },
    };
    const { env, args } = await prepareCommandLine(editor as unknown as Editor, {} as CancellationToken);
    assert.equal(env["HOME_TOKEN"], "the key");
    assert.ok(!("SPARE_TOKEN" in env));
    assert.ok(!args.join(" ").includes("the key"));
    const written = readFileSync(join(storage, "config.json"), "utf8");
    assert.match(written, /127\.0\.0\.1:8096/);
    assert.ok(!written.includes("the key"));
  });
});

describe("servers on other hosts", () => {
  it("are taken from the setting where they can be used, each name once, and the rest is told", () => {
    const nas = { name: "nas", url: "https://nas.local:8080/mcp" };
    const { servers, problems } = remoteServersIn([
      nas,
      { name: "nas", url: "https://other/mcp" },
      { name: "file", url: "file:///etc/passwd" },
      { name: "none" },
      { url: "https://x/mcp" },
      "text",
      null,
    ]);
    assert.deepEqual(servers, [nas]);
    assert.equal(problems.length, 6);
    assert.deepEqual(remoteServersIn("text"), { servers: [], problems: [] });
  });

  it("have their tokens by address, so that a name that means another host takes none along", () => {
    const name = "nas";
    assert.notEqual(tokenKey({ name, url: "https://a/mcp" }), tokenKey({ name, url: "https://b/mcp" }));
    assert.equal(tokenKey({ name, url: "https://A/mcp" }), tokenKey({ name: "other", url: "https://a/mcp" }));
  });
});

describe("a server's token", () => {
  it("is said to be readable on its way where nothing encrypts it, except on this host", () => {
    const isReadable = (url: string) => isReadableOnTheWay({ name: "nas", url });
    for (const url of ["http://nas.local/mcp", "http://127.0.0.1.evil.com/", "http://10.0.0.1/"])
      assert.equal(isReadable(url), true, url);
    for (const url of ["https://nas.local/mcp", "http://localhost:7777/mcp", "http://127.0.0.1:7777/", "http://[::1]/"])
      assert.equal(isReadable(url), false, url);
  });
});

describe("tasks", () => {
  it("are offered for what only looks, without a word more", () => {
    assert.deepEqual(OFFERED, [
      "list",
      "stats",
      "check",
      "cleanup",
      "directories",
      "evict",
      "engines",
      "empty",
      "jellyfin",
      "clear",
      "doctor",
    ]);
  });

  it("are any operation with words of text, and nothing else", () => {
    assert.deepEqual(parseTask({ type: "cache-ops", operation: "check" }), { operation: "check", args: [] });
    const args = ["films", "--json"];
    assert.deepEqual(parseTask({ operation: "cleanup", args }), { operation: "cleanup", args });
    assert.throws(() => parseTask({ operation: "mcp" }), /one of list, stats/);
    assert.throws(() => parseTask({ operation: "check", args: "films" }), /list of texts/);
    assert.throws(() => parseTask({ operation: "check", args: [1] }), /list of texts/);
  });
});
