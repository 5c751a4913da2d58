import { constants, type Stats } from "node:fs";
import { lstat, open, readdir, readFile, type FileHandle } from "node:fs/promises";
import { getuid, pid as ownPid, platform } from "node:process";

import { errnoOf } from "../../errors.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { parseMounts } from "../managed/mounts.ts";
import { addUp, typeOf, type ListedEntry } from "./container-listing.ts";
import type { Look } from "./container-measure.ts";
import { isSameOrBelow } from "./container-place.ts";
import type { SeenContainer } from "./container.ts";

/*
 * The files of a running container through its first process, for root on the engine's host. Every directory on the
 * way is opened without following links: a link of the container would lead through our own root, to files of the host.
 */

const ROOT_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0);
const FLAGS = ROOT_FLAGS | (constants.O_NOFOLLOW ?? 0);

/** Why a directory is not held. */
type NotHeld = Extract<Look, { readonly state: "absent" | "unable" }>;

/**
 * Opens a directory of a container for `work`, which gets a path that cannot be led elsewhere. `unable` where this is
 * not root, not the engine's host, a link lies on the way, or another file system is mounted below.
 */
export async function withDirectory<T>(
  container: SeenContainer,
  path: string,
  work: (place: string) => Promise<T>,
): Promise<{ readonly state: "used"; readonly result: T } | NotHeld> {
  if (platform !== "linux" || getuid?.() !== 0) return { state: "unable", reason: "this is not root on Linux" };
  if (container.state !== "running") return { state: "unable", reason: `the container is ${container.state}` };
  const handles: FileHandle[] = [];
  try {
    const opened = await openWay(container, path, handles);
    const outcome = typeof opened === "string" ? ({ state: "used", result: await work(opened) } as const) : opened;
    // When its last process ends, its volumes vanish from the tree that is held here: it would look empty.
    if (await isProcessOf(container)) return outcome;
    return { state: "unable", reason: "this is not the engine's host, or the container ended" };
  } finally {
    for (const handle of handles) await handle.close();
  }
}

/** Opens the directories on the way one by one, and returns the path of the last. */
async function openWay(container: SeenContainer, path: string, handles: FileHandle[]): Promise<string | NotHeld> {
  const { pid } = container;
  try {
    const root = await open(`/proc/${pid}/root`, ROOT_FLAGS);
    handles.push(root);
    let place = placeOf(root);
    // After the root was opened: its process number cannot be another's any more.
    if (!(await isProcessOf(container))) return { state: "unable", reason: "this is not the engine's host" };
    const mounts = parseMounts(await readFile(`/proc/${pid}/mountinfo`, "utf8"));
    if (mounts.some(({ point }) => point !== path && isSameOrBelow(path, point))) {
      return { state: "unable", reason: "another file system is mounted in it" };
    }
    for (const name of path.split("/").filter((part) => part !== "")) {
      const handle = await open(`${place}/${name}`, FLAGS);
      handles.push(handle);
      place = placeOf(handle);
    }
    return place;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (errno === "ENOENT" && handles.length > 0) return { state: "absent" };
    const isLink = errno === "ELOOP" || errno === "ENOTDIR";
    return { state: "unable", reason: isLink ? "a link or a file lies on the way" : errno };
  }
}

/** Looks at a directory through the container's first process. */
export async function listByProcess(container: SeenContainer, path: string, signal: AbortSignal): Promise<Look> {
  try {
    const held = await withDirectory(container, path, async (place) => {
      const seen = [entryOf(await lstat(`${place}/.`), "")];
      await look(place, "", seen, signal);
      return addUp(seen);
    });
    return held.state === "used" ? { state: "listed", listing: held.result } : held;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return { state: "unable", reason: `it changes or cannot be read (${errno})` };
  }
}

async function look(place: string, prefix: string, seen: ListedEntry[], signal: AbortSignal): Promise<void> {
  for (const bytes of await readdir(place, { encoding: "buffer" })) {
    throwIfAborted(signal);
    const path = Buffer.concat([Buffer.from(`${place}/`), bytes]);
    const name = prefix + bytes.toString("latin1");
    const found = await lstat(path);
    seen.push(entryOf(found, name));
    if (!found.isDirectory()) continue;
    const handle = await open(path, FLAGS);
    try {
      await look(placeOf(handle), `${name}/`, seen, signal);
    } finally {
      await handle.close();
    }
  }
}

function entryOf({ mode, size, mtimeMs, nlink, dev, ino }: Stats, name: string): ListedEntry {
  const type = typeOf(mode);
  const isFile = type === "file";
  return {
    type,
    size: isFile ? size : 0,
    mtimeSeconds: Math.floor(mtimeMs / 1000),
    name,
    identity: isFile && nlink > 1 ? `${dev}:${ino}` : undefined,
  };
}

/** Whether the process with that number, here, lives and is this container's: its cgroup or its mounts say the id. */
export async function isProcessOf({ id, pid }: Pick<SeenContainer, "id" | "pid">): Promise<boolean> {
  try {
    const texts = ["cgroup", "mountinfo"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8"));
    const [cgroup = "", mounts = ""] = await Promise.all(texts);
    // One that has ended has no mounts any more.
    return mounts !== "" && (cgroup.includes(id) || mounts.includes(id));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

function placeOf({ fd }: FileHandle): string {
  return `/proc/${ownPid}/fd/${fd}`;
}
