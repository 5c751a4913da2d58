import { readdir, readFile, readlink } from "node:fs/promises";
import { dirname } from "node:path";
import { pid as ownPid, platform } from "node:process";

import { errnoOf } from "../../errors.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { count } from "../../view.ts";
import { mountsOf, plain, windowsOnto, type Mount, type Window } from "./mounts.ts";

/** What processes had open at one moment. */
export interface OpenFiles {
  /** The process that had something in this directory open, ran from it or worked in it, or `undefined`. */
  userOf(realDirectory: string): string | undefined;
  /** What could not be seen, in words; `undefined` when everything could. */
  readonly blind: string | undefined;
}

/** Processes looked at together. */
const CONCURRENCY = 16;
/** The number of the process namespace that every other one lies in. */
const FIRST_NAMESPACE = "pid:[4026531836]";

/**
 * Looks, in one pass over all processes, what they have open below some directories: files, working directories,
 * programs and mapped libraries, also those of containers that know the directories by other paths. This process is
 * left out.
 *
 * Only Linux shows this, and of other users' processes only to root; what stays hidden is said in
 * {@link OpenFiles.blind}. Throws `interrupted` when the signal is aborted.
 */
export async function seeOpenFiles(realRoots: readonly string[], signal: AbortSignal): Promise<OpenFiles> {
  const processes = platform === "linux" ? await processNumbers() : undefined;
  if (processes === undefined) {
    return { userOf: () => undefined, blind: "open files cannot be seen on this system" };
  }
  const ownMounts = await mountsOf("self");
  const windowsBy = new Map<string, Promise<readonly RootWindow[]>>();
  const windowsFor = async (process: number) => {
    const namespace = (await linkOf(`/proc/${process}/ns/mnt`)) ?? "";
    let windows = windowsBy.get(namespace);
    if (windows === undefined) {
      windows = mountsOf(process).then((mounts) => allWindows(realRoots, ownMounts, mounts));
      windowsBy.set(namespace, windows);
    }
    return windows;
  };
  const users = new Map<string, string>();
  let hidden = 0;
  const waiting = processes.values();
  const look = async () => {
    for (const process of waiting) {
      throwIfAborted(signal);
      const { held, isHidden } = await heldBy(process);
      if (isHidden) hidden += 1;
      if (held.length > 0) note(users, held, await windowsFor(process), await nameOf(process));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, look));
  return { userOf: (directory) => users.get(directory), blind: await blindness(hidden, ownMounts) };
}

async function processNumbers(): Promise<number[] | undefined> {
  try {
    const names = await readdir("/proc");
    return names.filter((name) => /^\d+$/.test(name) && Number(name) !== ownPid).map(Number);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/** A window, and the root of ours that it shows a part of. */
type RootWindow = Window & { readonly root: string };

function allWindows(realRoots: readonly string[], ours: readonly Mount[], theirs: readonly Mount[]): RootWindow[] {
  return realRoots.flatMap((root) => {
    const windows = [{ theirs: root, ours: root }, ...windowsOnto(root, ours, theirs)];
    return windows.map((window) => ({ ...window, root }));
  });
}

/** Paths that a process holds, as it names them, and whether it holds some that cannot be seen. */
async function heldBy(process: number): Promise<{ readonly held: readonly string[]; readonly isHidden: boolean }> {
  const place = `/proc/${process}`;
  const [descriptors, maps] = await Promise.all([
    unlessHidden(readdir(`${place}/fd`), []),
    unlessHidden(readFile(`${place}/maps`, "latin1"), ""),
  ]);
  const links = ["cwd", "root", "exe", ...(descriptors ?? []).map((name) => `fd/${name}`)];
  const linked = await Promise.all(links.map(async (link) => linkOf(`${place}/${link}`)));
  const mapped = (maps ?? "")
    .matchAll(/^[^/\n]* (\/.*)$/gm)
    .map(([, path]) => plain(Buffer.from(path ?? "", "latin1").toString()));
  const held = [...linked, ...new Set(mapped)].filter((path) => path?.startsWith("/") === true && path !== "/");
  return { held: held as string[], isHidden: descriptors === undefined || maps === undefined };
}

/** What `/proc` says of a process; `nothing` when it has ended, `undefined` when this user may not look into it. */
async function unlessHidden<T>(reading: Promise<T>, nothing: T): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return errno === "ENOENT" || errno === "ESRCH" ? nothing : undefined;
  }
}

/** Where a link of `/proc` leads; `undefined` when it has gone, or is none of a file. */
async function linkOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Notes a process for every directory on the way from what it holds up to the root. */
function note(users: Map<string, string>, held: readonly string[], windows: readonly RootWindow[], name: string): void {
  for (const path of held) {
    for (const { theirs, ours, root } of windows) {
      if (path !== theirs && !path.startsWith(`${theirs}/`)) continue;
      for (let here = `${ours}${path.slice(theirs.length)}`; here.length >= root.length; here = dirname(here)) {
        if (!users.has(here)) users.set(here, name);
        if (here === root) break;
      }
    }
  }
}

async function nameOf(process: number): Promise<string> {
  try {
    return `${(await readFile(`/proc/${process}/comm`, "utf8")).trim()} (process ${process})`;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return `process ${process}`;
  }
}

async function blindness(hidden: number, mounts: readonly Mount[]): Promise<string | undefined> {
  const blind = [
    ...(hidden > 0 ? [`those of ${count(hidden, "process", "processes")} that this user may not look into`] : []),
    ...(mounts.some(({ point, options }) => point === "/proc" && options.some((one) => /^hidepid=[1-9i]/.test(one)))
      ? ["those of users that are hidden (hidepid)"]
      : []),
    ...((await linkOf("/proc/self/ns/pid")) === FIRST_NAMESPACE ? [] : ["those outside of this container"]),
  ];
  return blind.length === 0 ? undefined : `open files cannot be seen: ${blind.join(", ")}`;
}
