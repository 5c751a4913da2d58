import { readdir, readFile, readlink } from "node:fs/promises";
import { randomBytes } from "node:crypto";

import { errnoOf } from "../../errors.ts";
import { printable } from "../../printable.ts";
import type { ContainerEngine } from "./container-api.ts";
import { isSameOrBelow } from "./container-place.ts";
import { complaintOf, couldNotRun } from "./container-programs.ts";
import { isProcessOf } from "./container-root.ts";
import type { SeenContainer } from "./container.ts";

/** Whether something in a container uses its cache right now, without any orchestrator to ask. */
export type ContainerUse =
  | { readonly state: "idle" }
  | { readonly state: "busy"; readonly rule: "open_socket" | "open_files"; readonly by: string }
  /** Something could not be looked at: that is never idle. */
  | { readonly state: "unknown"; readonly reason: string };

/** What to look at. */
export interface UseQuestion {
  readonly path: string;
  /** Ports in the container that clients connect to. Unset: every port that something listens on. */
  readonly ports?: readonly number[] | undefined;
  readonly limitSeconds: number;
}

type Seen<T> = { readonly seen: T } | { readonly reason: string };

/**
 * Looks for clients (established connections to a port that the container listens on) and for processes with files
 * open in the cache: through the engine's host where this is root on it, else with `cat`, `find` and `stat` of the
 * image. `unknown` when one of the two cannot be seen whole.
 */
export async function seeUse(
  engine: ContainerEngine,
  container: SeenContainer,
  { path, ports, limitSeconds }: UseQuestion,
): Promise<ContainerUse> {
  if (container.state !== "running") return { state: "unknown", reason: `the container is ${container.state}` };
  const isHere = await isProcessOf(container);
  const tables = await socketTables(engine, container, isHere, limitSeconds);
  const isShared = container.networkMode === "host" && ports === undefined;
  const client = "seen" in tables && !isShared ? clientIn(tables.seen, ports) : undefined;
  if (client !== undefined) return { state: "busy", rule: "open_socket", by: client };
  const opened = isHere ? await openFilesHere(engine, container, path) : { reason: "this is not the engine's host" };
  const files = "seen" in opened ? opened : await openFilesThere(engine, container, path, limitSeconds);
  if ("seen" in files && files.seen !== undefined) return { state: "busy", rule: "open_files", by: files.seen };
  if (isShared) return { state: "unknown", reason: "it shares the host's network; name the ports of its clients" };
  for (const half of [tables, files]) if ("reason" in half) return { state: "unknown", reason: half.reason };
  return { state: "idle" };
}

const LISTEN = "0A";
const ESTABLISHED = "01";

/** A connection to a port of ours in the text of `/proc/net/tcp` and `tcp6`: who is at the other end. */
export function clientIn(text: string, ports: readonly number[] | undefined): string | undefined {
  const sockets = text
    .matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) /gm)
    .map(([, local = "", address = "", remote = "", state]) => ({
      local: Number.parseInt(local, 16),
      address,
      remote,
      state,
    }))
    .toArray();
  const served = new Set(ports ?? sockets.filter(({ state }) => state === LISTEN).map(({ local }) => local));
  const client = sockets.find(({ state, local }) => state === ESTABLISHED && served.has(local));
  if (client === undefined) return undefined;
  return `a client of port ${client.local} (${addressOf(client.address)}:${Number.parseInt(client.remote, 16)})`;
}

/** An address as the kernel writes it: words of four bytes, each in the order of the machine. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  const isV4 = bytes.length === 4 || /^0{16}FFFF0000/i.test(hex);
  if (isV4) return [...bytes.subarray(-4)].toReversed().join(".");
  const words = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.subarray(index * 4, index * 4 + 4));
  const ordered = Buffer.concat(words.map((word) => Buffer.from([...word].toReversed())));
  return `[${ordered.toString("hex").match(/.{4}/g)?.join(":") ?? ""}]`;
}

async function socketTables(
  engine: ContainerEngine,
  { id, pid }: SeenContainer,
  isHere: boolean,
  limitSeconds: number,
): Promise<Seen<string>> {
  if (isHere) {
    const texts = await Promise.all(["tcp", "tcp6"].map((name) => readTable(`/proc/${pid}/net/${name}`)));
    if (texts[0] !== undefined) return { seen: texts.join("\n") };
  }
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((name) => engine.run(id, ["cat", `/proc/net/${name}`], { limitSeconds })),
  );
  const [first, second] = tables;
  if (first === undefined || second === undefined || first.exitCode !== 0) {
    return { reason: `its sockets cannot be seen: ${first === undefined ? "" : complaintOf(first)}` };
  }
  // A kernel without IPv6 has no second table.
  const hasSecond = second.exitCode === 0 || /No such file/.test(second.stderr);
  return hasSecond ? { seen: `${first.stdout}\n${second.stdout}` } : { reason: complaintOf(second) };
}

async function readTable(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "latin1");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return errno === "ENOENT" && path.endsWith("6") ? "" : undefined;
  }
}

/** The first process of the container that holds something below `path`, by what the host shows of it. */
async function openFilesHere(
  engine: ContainerEngine,
  container: SeenContainer,
  path: string,
): Promise<Seen<string | undefined>> {
  let hidden = false;
  for (const pid of await engine.processes(container.id)) {
    try {
      const names = (await readdir(`/proc/${pid}/fd`)).map((name) => `fd/${name}`);
      for (const name of ["cwd", ...names]) {
        const target = await linkOf(`/proc/${pid}/${name}`);
        if (target !== undefined && isSameOrBelow(path, target)) {
          return { seen: `process ${pid} (${printable(target)})` };
        }
      }
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (errno !== "ENOENT" && errno !== "ESRCH") hidden = true;
    }
  }
  return hidden ? { reason: "this user may not look into its processes" } : { seen: undefined };
}

async function linkOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The same with programs of the image. */
async function openFilesThere(
  engine: ContainerEngine,
  { id }: SeenContainer,
  path: string,
  limitSeconds: number,
): Promise<Seen<string | undefined>> {
  const mark = randomBytes(12).toString("hex");
  const places = ["-path", "/proc/[0-9]*/fd/*", "-o", "-path", "/proc/[0-9]*/cwd"];
  const argv = ["find", "/proc", "-mindepth", "2", "-maxdepth", "3", "(", ...places, ")"];
  const ran = await engine.run(id, [...argv, "-exec", "stat", "-c", `${mark} %N`, "{}", "+"], { limitSeconds });
  if (couldNotRun(ran)) return { reason: "its open files cannot be seen: no find in the container" };
  const lines = ran.stdout.split(`${mark} `).slice(1);
  const latin = Buffer.from(path).toString("latin1");
  for (const line of lines) {
    const target = / -> '(.*)'\s*$/s.exec(line)?.[1];
    if (target !== undefined && isSameOrBelow(latin, target)) return { seen: printable(line.trim()) };
  }
  const hidden = /Permission denied|Operation not permitted/.test(ran.stderr);
  if (lines.length === 0 || hidden) return { reason: `its open files cannot be seen: ${complaintOf(ran)}` };
  return { seen: undefined };
}
