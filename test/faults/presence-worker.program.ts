import { join } from "node:path";
import { createInterface } from "node:readline";

import { CacheOpsError, openState } from "../../shared/index.ts";
import { withManagedStore } from "../../shared/caches/managed/open.ts";
import { fill, managedSettings } from "../shared/managed/managed-place.ts";
import { makeContext } from "../support/context.ts";
import { makeMovies } from "../support/library.ts";
import { makeMediaAuditCache, pickleEntries } from "../support/media-audit.ts";
import { makePlace } from "../support/place.ts";
import { arm, disarm } from "./fault.ts";
import { runOperation } from "./scene.ts";

/*
 * A process in which nobody says whether something is there: every look at one file, one directory or one server fails
 * with the error it is told, on a line {kind, errno}. It answers what was made of it: `gone` where something would go.
 */

/** Kinds of caches. */
export type PresenceKind = "directory" | "probe" | "managed" | "engine" | "jellyfin";

const contextOf = (config: Record<string, unknown>) => {
  const state = openState(makePlace("state"));
  return { ...makeContext({ state: () => state, config }), stateDirectory: state.directory };
};

async function cleanup(
  input: Record<string, unknown>,
  config: Record<string, unknown>,
  path: string,
  errno: string,
): Promise<string> {
  const context = contextOf(config);
  arm({ does: "fail", nth: 1, errno, lasts: errno !== "EINTR" }, ["reads", "writes"], [path]);
  const plan = await runOperation("cleanup", { ...input, detail: "full" }, context);
  const { hits } = disarm();
  context.state().close();
  if (hits === 0) throw new Error(`nobody looked at ${path}`);
  return plan["entries"] === 0 ? "kept" : "gone";
}

const films = () => {
  const root = makePlace("library");
  const [film = ""] = makeMovies(join(root, "a"), ["A.mkv", "B.mkv", "C.mkv"]);
  return { root, film };
};

const TRIES: Readonly<Record<PresenceKind, (errno: string) => Promise<string>>> = {
  directory: async (errno) => {
    const { root, film } = films();
    return cleanup({ paths: [root], full: true }, {}, film, errno);
  },
  probe: async (errno) => {
    const { root, film } = films();
    const cache = makeMediaAuditCache();
    pickleEntries(cache, [{ filePath: film }]);
    const config = { libraries: [{ name: "films", roots: [root] }], probe: { mediaAudit: [cache] } };
    return cleanup({ kind: ["probe"] }, config, film, errno);
  },
  managed: async (errno) => {
    const root = makePlace("managed");
    for (const name of ["a", "b", "c"]) fill(root, `${name}/film.bin`);
    const cache = managedSettings(root);
    const context = contextOf({ managed: [cache] });
    await runOperation("reconcile", {}, context);
    arm({ does: "fail", nth: 1, errno, lasts: errno !== "EINTR" }, ["reads", "writes"], [join(root, "a")]);
    await runOperation("reconcile", {}, context);
    const { hits } = disarm();
    const entry = await withManagedStore(cache, context, (store) => store.get("a"));
    context.state().close();
    if (hits === 0) throw new Error("nobody looked at the directory");
    return entry === undefined ? "gone" : "kept";
  },
  engine: (errno) =>
    unreachable("empty", {}, { engines: [{ name: "ace", socket: "/var/run/cache-ops-test.sock" }] }, errno),
  jellyfin: (errno) => unreachable("clear", {}, { jellyfin: [{ name: "home", url: "http://127.0.0.1:9" }] }, errno),
};

/** A server to which no connection comes about: nothing may be planned for it. */
async function unreachable(
  name: string,
  input: Record<string, unknown>,
  config: Record<string, unknown>,
  errno: string,
): Promise<string> {
  const context = contextOf(config);
  const jellyfin = { fetch, wait: async () => undefined, token: async () => "x" };
  // An interrupted call is made again at once, for ever.
  arm({ does: "fail", nth: 1, errno, lasts: errno !== "EINTR" }, ["connects"], []);
  try {
    const plan = await runOperation(name, input, { ...context, jellyfin });
    return plan["status"] === "ready" ? "gone" : "kept";
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "internal") throw error;
    return "kept";
  } finally {
    disarm();
    context.state().close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, errno } = JSON.parse(line) as { kind: PresenceKind; errno: string };
  let reply: object;
  try {
    reply = { outcome: await TRIES[kind](errno) };
  } catch (error) {
    disarm();
    reply = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
