import type { EngineCacheRow, JellyfinRow } from "@cache-ops/shared";

import type { Engine } from "../engine.ts";
import type { Node } from "./nodes.ts";
import { isMoving, isWaiting, serverFacts } from "./remote-words.ts";

/** A section of caches that lie in containers or on a server. */
export type Remote = Extract<Node, { type: "engine" | "jellyfin" }>;

/** What was last seen of a section. */
export interface RemoteSight {
  readonly containers: readonly EngineCacheRow[];
  readonly server: JellyfinRow | undefined;
  /** What could not be looked at, with what to check. */
  readonly troubles: readonly string[];
}

/** The parts of the tree about engine caches and Jellyfin servers: each is looked into when it is opened, not before. */
export interface RemoteSections {
  /** A section for each engine cache and each server that is configured. */
  sections(): Promise<Node[]>;
  /**
   * What is in a section. Waits only for the first look: later ones are made beside what is shown, so that an engine
   * that does not answer holds up nothing else. Never rejects: what is wrong is a row.
   */
  rowsOf(node: Remote): Promise<Node[]>;
  sightOf(node: Remote): RemoteSight | undefined;
  /** Whether a section was opened, so that what changes in it has to be shown. */
  readonly isKnown: boolean;
  /** What was seen to change by itself at the last look: a server at work, an engine that is soon idle. */
  moving(): Remote[];
  /** Something may have changed: each section is looked at again when it is next shown. */
  doubt(): void;
}

/** A look this young (in milliseconds) is not made again: the tree asks once more for what it was just told. */
const FRESH_MS = 2000;

/** What the sections need of the editor. */
export interface RemoteParts {
  readonly engine: Pick<Engine, "request">;
  /** Hears when a section has other contents than it is shown with. */
  readonly onSight: (node: Remote) => void;
  readonly errorText: (error: unknown) => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Makes them. */
export function makeRemoteSections({ engine, onSight, errorText, now }: RemoteParts): RemoteSections {
  const nodes = new Map<string, Remote>();
  const known = new Map<string, { readonly sight: RemoteSight; at: number }>();
  const looking = new Set<string>();
  let doubts = 0;

  /** The same section is the same object: the editor knows no other. */
  const nodeOf = (type: Remote["type"], name: string): Remote => {
    const key = `${type} ${name}`;
    const node = nodes.get(key) ?? { type, name };
    nodes.set(key, node);
    return node;
  };
  const look = async (node: Remote): Promise<RemoteSight> => {
    const key = keyOf(node);
    looking.add(key);
    const doubtsThen = doubts;
    const sight = await seen(engine, node).catch((error: unknown) => nothing([errorText(error)]));
    looking.delete(key);
    const before = known.get(key)?.sight;
    // What began before the change may have seen what was there before it.
    const isDoubtful = doubts !== doubtsThen;
    known.set(key, { sight, at: isDoubtful ? Number.NEGATIVE_INFINITY : now() });
    if (isDoubtful || JSON.stringify(before) !== JSON.stringify(sight)) onSight(node);
    return sight;
  };
  return {
    get isKnown() {
      return known.size > 0;
    },
    async sections() {
      const { engines, jellyfin } = (await engine.request("places", {})).configuration;
      const all = [
        ...engines.map(({ name }) => nodeOf("engine", name)),
        ...jellyfin.map(({ name }) => nodeOf("jellyfin", name)),
      ];
      const keys = new Set(all.map(keyOf));
      for (const key of known.keys()) if (!keys.has(key)) known.delete(key);
      return all;
    },
    async rowsOf(node) {
      const key = keyOf(node);
      const before = known.get(key);
      if (before === undefined) {
        if (looking.has(key)) return [{ type: "message", text: "Looking…", isError: false }];
        return rowsIn(node, await look(node));
      }
      if (now() - before.at >= FRESH_MS && !looking.has(key)) void look(node);
      return rowsIn(node, before.sight);
    },
    sightOf: (node) => known.get(keyOf(node))?.sight,
    moving: () =>
      [...nodes.values()].filter((node) => {
        const sight = known.get(keyOf(node))?.sight;
        return sight?.containers.some(isWaiting) === true || (sight?.server !== undefined && isMoving(sight.server));
      }),
    doubt() {
      doubts += 1;
      for (const seenThen of known.values()) seenThen.at = Number.NEGATIVE_INFINITY;
    },
  };
}

function keyOf({ type, name }: Remote): string {
  return `${type} ${name}`;
}

function nothing(troubles: readonly string[]): RemoteSight {
  return { containers: [], server: undefined, troubles };
}

async function seen(engine: Pick<Engine, "request">, { type, name }: Remote): Promise<RemoteSight> {
  const asked =
    type === "engine"
      ? { operation: "engines", input: { engine: [name] } }
      : { operation: "jellyfin", input: { server: [name] } };
  const { output } = await engine.request("invoke", asked);
  const { caches, servers, errors } = output as {
    readonly caches?: readonly EngineCacheRow[];
    readonly servers?: readonly JellyfinRow[];
    readonly errors: readonly { readonly message: string }[];
  };
  return { containers: caches ?? [], server: servers?.[0], troubles: errors.map(({ message }) => message) };
}

function rowsIn({ type, name }: Remote, { containers, server, troubles }: RemoteSight): Node[] {
  const wrong = troubles.map((text): Node => ({ type: "message", text, isError: true }));
  if (type === "engine") {
    const found = containers.map((row): Node => ({
      type: "container",
      row,
      isOnly: containers.filter(({ containerId }) => containerId === row.containerId).length === 1,
    }));
    const none: Node = { type: "message", text: "There is no such container now.", isError: false };
    return [...wrong, ...found, ...(wrong.length + found.length === 0 ? [none] : [])];
  }
  if (server === undefined) return wrong;
  const none: Node = { type: "message", text: "The Xtream plugin is not installed there.", isError: false };
  return [
    ...wrong,
    ...(server.sections.length === 0 ? [none] : []),
    ...server.sections.map((row): Node => ({ type: "channel", server: name, row })),
    ...server.tasks.map((row): Node => ({ type: "task", server: name, row })),
    ...serverFacts(server).map(([label, text]): Node => ({ type: "fact", of: name, label, text, icon: "info" })),
  ];
}
