import { watch, type FSWatcher } from "node:fs";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";

import { errnoOf } from "./errors.ts";
import { listNow, placesBelow, type Place } from "./walk.ts";
import type { ChangedDirectories, Watched } from "./watch-thread.ts";

/** Watches of every directory below some roots, by synchronous calls. */
export interface WatchedTree {
  /** Watches what lies below these places, and nothing else from now on. What changes afterwards is told. */
  begin(places: readonly Place[]): Watched;
}

/** How long a burst of events is collected. */
const BURST_MS = 5;
/** A directory that goes on changing, because something is written in it, is told of less and less often. */
const [PACE_MS, SLOWEST_MS] = [20, 2000];

interface Node {
  readonly place: Place;
  watcher: FSWatcher | undefined;
  /** Paths of the directories right below it. */
  below: Set<string>;
  /** When it was last told of, and how long after that it may be told of again. */
  toldAt: number;
  paceMs: number;
}

/** What a tree is watched for. */
export interface TreeWatcher {
  /** Told once for each burst of events. */
  readonly onChange: (changes: ChangedDirectories) => void;
  /** The events that the system keeps for us. What comes beyond them it drops, and Node does not say so: as many at once
   *  are taken for too many. */
  readonly queueLimit: number;
  /** Called before each directory that is looked at. */
  readonly alive: () => void;
}

/** Nothing is watched yet. One watch a directory: Node's own recursive watch on Linux takes one for every file. */
export function watchTree({ onChange, queueLimit, alive }: TreeWatcher): WatchedTree {
  const nodes = new Map<string, Node>();
  /** Changed directories, and when they may be told of. */
  const due = new Map<string, number>();
  /** Directories right below watched ones that were created, removed or renamed: another one may bear the name. */
  const suspects = new Set<string>();
  let unwatched = 0;
  let errno: string | undefined;
  /** Events of one turn of the loop: those that had been kept for us. */
  let events = 0;
  let isOverflow = false;
  let timer: NodeJS.Timeout | undefined;
  /** When the next of them are told of; Infinity: none is due. */
  let nextAt = Infinity;

  const watched = (): Watched => ({ directories: nodes.size, unwatched, errno });

  const onEvent = (node: Node, type: string, name: string | null) => {
    if (events === 0) setImmediate(endTurn);
    events += 1;
    const { path } = node.place;
    const below = name === null ? undefined : `${path}/${name}`;
    if (type === "rename" && below !== undefined && node.below.has(below)) suspects.add(below);
    if (due.has(path)) return;
    const at = Math.max(performance.now() + BURST_MS, node.toldAt + node.paceMs);
    due.set(path, at);
    if (at < nextAt) flushAt(at);
  };
  const endTurn = () => {
    isOverflow ||= events >= queueLimit;
    events = 0;
    if (isOverflow) flush();
  };
  const flushAt = (at: number) => {
    clearTimeout(timer);
    nextAt = at;
    if (at < Infinity) timer = setTimeout(flush, Math.max(0, at - performance.now()));
  };

  const watchOne = (node: Node) => {
    try {
      node.watcher = watch(node.place.path, { encoding: "utf8" }, (type, name) => onEvent(node, type, name));
      node.watcher.on("error", (error) => fail(node, error));
    } catch (error) {
      fail(node, error);
    }
  };
  const fail = (node: Node, error: unknown) => {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    if (nodes.get(node.place.path) !== node) return;
    node.watcher?.close();
    node.watcher = undefined;
    unwatched += 1;
    errno = code;
  };

  /** Watches directories and all below them, each before it is read: nothing appears in between unseen. */
  const follow = (places: readonly Place[], added: string[]) => {
    const pending = [...places];
    for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
      const node: Node = { place, watcher: undefined, below: NONE, toldAt: -Infinity, paceMs: 0 };
      nodes.set(place.path, node);
      watchOne(node);
      added.push(place.path);
      alive();
      const { listing, code } = listOne(place);
      if (isGone(code)) drop(place.path, []);
      if (listing === undefined) continue;
      const below = placesBelow(listing);
      if (below.length > 0) node.below = new Set(below.map(({ path }) => path));
      pending.push(...below);
    }
  };
  const drop = (path: string, gone: string[]) => {
    const node = nodes.get(path);
    if (node === undefined) return;
    for (const known of [nodes, due, suspects]) known.delete(path);
    if (node.watcher === undefined) unwatched -= 1;
    else node.watcher.close();
    gone.push(path);
    for (const below of node.below) drop(below, gone);
  };

  /** Finds out which directories appeared in a changed one, and which went. */
  const renew = (node: Node, changed: string[], gone: string[]) => {
    const { listing, code } = listOne(node.place);
    if (isGone(code)) {
      drop(node.place.path, gone);
      return;
    }
    changed.push(node.place.path);
    if (listing === undefined) return;
    const places = new Map(placesBelow(listing).map((place) => [place.path, place]));
    const before = node.below;
    node.below = places.size === 0 ? NONE : new Set(places.keys());
    for (const path of before) if (!places.has(path) || suspects.has(path)) drop(path, gone);
    follow(
      [...places.values()].filter(({ path }) => !nodes.has(path)),
      changed,
    );
  };
  const flush = () => {
    const now = performance.now();
    const [changed, gone]: [string[], string[]] = [[], []];
    for (const [path, at] of due) {
      const node = nodes.get(path);
      if (at > now || node === undefined) continue;
      due.delete(path);
      const isBusy = now - node.toldAt < 2 * Math.max(node.paceMs, PACE_MS);
      node.paceMs = isBusy ? Math.min(Math.max(node.paceMs * 2, PACE_MS), SLOWEST_MS) : 0;
      node.toldAt = now;
      renew(node, changed, gone);
    }
    let first = Infinity;
    for (const at of due.values()) first = Math.min(first, at);
    flushAt(first);
    if (changed.length + gone.length === 0 && !isOverflow) return;
    const there = new Set(changed);
    onChange({ changed: [...there], gone: gone.filter((path) => !there.has(path)), isOverflow, ...watched() });
    isOverflow = false;
  };

  return {
    begin(places) {
      for (const { watcher } of nodes.values()) watcher?.close();
      for (const kept of [nodes, due, suspects]) kept.clear();
      [unwatched, errno] = [0, undefined];
      follow(places, []);
      return watched();
    },
  };
}

const NONE: Set<string> = new Set();

function listOne(place: Place) {
  let code: string | undefined;
  const listing = listNow(place, (trouble) => {
    if (trouble.path === place.path) ({ code } = trouble);
  });
  return { listing, code: listing === undefined ? code : undefined };
}

function isGone(code: string | undefined): boolean {
  return code === "ENOENT" || code === "ENOTDIR";
}
