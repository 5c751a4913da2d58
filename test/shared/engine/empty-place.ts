import { Configuration, invoke, parse, type Context } from "../../../shared/index.ts";
import { KNOWN_CACHE_PATHS } from "../../../shared/caches/engine/settings.ts";
import { empty } from "../../../shared/operations/empty.ts";
import { engines, type EngineCacheRow } from "../../../shared/operations/engines.ts";
import { makeContext } from "../../support/context.ts";
import type { DockerHost } from "../../support/docker.ts";
import { engineLine, startOrchestrator, type StandIn } from "../../support/orchestrator.ts";

/** Where the cache of a test's container lies, if nothing else is said. */
export const [HOME] = KNOWN_CACHE_PATHS;
/** What {@link fill} puts there: bytes of its files, and everything that there is. */
export const FILLED = { bytes: 5123, entries: 4 } as const;
const LABEL = "ondemand.app=myservice";

/** Puts two files of 5000 and 123 bytes into a directory of a container, one of them deeper. */
export function fill(host: DockerHost, container: string, path: string = HOME): void {
  host.inside(container, "mkdir", "-p", `${path}/deep/er`);
  host.inside(
    container,
    "sh",
    "-c",
    `head -c 5000 /dev/zero > "$1/a"; head -c 123 /dev/zero > "$1/deep/er/b"`,
    "sh",
    path,
  );
}

/** Starts an engine with a filled cache; returns its id. Options are those of `docker run`. */
export function startEngine(host: DockerHost, name: string, ...options: readonly string[]): string {
  const id = host.start(name, "--label", LABEL, ...options);
  fill(host, id);
  return id;
}

/** Names in a directory of a container. */
export function namesIn(host: DockerHost, container: string, path: string = HOME): string[] {
  return host.inside(container, "ls", "-A", path).split("\n").filter(Boolean);
}

/** Settings of an engine cache at this Docker: no grace period, unless it is said. */
export function engineSettings(host: DockerHost, parts: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "ace",
    socket: host.socket,
    grace: "0s",
    poll: "1s",
    commandLimit: "20s",
    probePaths: [HOME],
    ...parts,
  };
}

/** An orchestrator that knows these containers. */
export async function orchestratorOf(...ids: readonly string[]): Promise<StandIn> {
  const standIn = await startOrchestrator();
  standIn.engines = ids.map((id) => engineLine(id));
  return standIn;
}

/** A context with these engine caches. */
export function contextWith(caches: readonly Record<string, unknown>[], parts: Partial<Context> = {}): Context {
  const configuration = parse(Configuration, { engines: caches, timeLimit: "10s" }, "configuration");
  return makeContext({ configuration, ...parts });
}

/** Plans to empty what is idle, with every change listed. */
export function planEmpty(context: Context, input: Record<string, unknown> = {}) {
  return invoke(empty, { detail: "full", ...input }, context);
}

/** Looks at the engine caches; the line of a container. */
export async function rowOf(context: Context, container: string): Promise<EngineCacheRow | undefined> {
  const { caches } = await invoke(engines, {}, context);
  return caches.find((row) => row.container === container);
}
