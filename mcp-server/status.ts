import {
  CacheOpsError,
  engines,
  invoke,
  jellyfin,
  type Context,
  type EngineCacheRow,
  type JellyfinRow,
} from "@cache-ops/shared";

import { makeVersionedCache } from "./versioned-cache.ts";
import type { Done } from "./work.ts";

/** What was seen at one engine cache or server. */
export interface Look<Row> {
  readonly rows: readonly Row[];
  /** Why not all of it was seen, each in a sentence. */
  readonly troubles: readonly string[];
}

/** Everything of a kind by its name in the configuration, each looked at by itself: none waits for another. */
export type Looks<Row> = ReadonlyMap<string, Promise<Look<Row>>>;

/** What is going on in containers and on servers: some seconds old at most, and never older than the last change here. */
export interface Status {
  readonly engines: () => Looks<EngineCacheRow>;
  readonly servers: () => Looks<JellyfinRow>;
  /** Makes work known that was done. */
  readonly observe: (done: Pick<Done, "operation">) => void;
}

/** How one of each is looked at. */
export interface Lookers {
  readonly engine: (name: string) => Promise<Look<EngineCacheRow>>;
  readonly server: (name: string) => Promise<Look<JellyfinRow>>;
}

/** How long a look holds: measuring caches is not free. */
const HOLDS_MS = 5000;
/** Far more than anybody configures. */
const MAX = 1000;

/** Looks at what is configured when somebody asks, by the operations `engines` and `jellyfin`. */
export function makeStatus(context: Context, { engine, server }: Lookers = lookersOf(context)): Status {
  const { configuration } = context;
  const ofEngines = makeVersionedCache<Look<EngineCacheRow>>({ max: MAX, ttlMs: HOLDS_MS });
  const ofServers = makeVersionedCache<Look<JellyfinRow>>({ max: MAX, ttlMs: HOLDS_MS });
  return {
    engines: () => new Map(configuration.engines.map(({ name }) => [name, ofEngines.get(name, () => engine(name))])),
    servers: () => new Map(configuration.jellyfin.map(({ name }) => [name, ofServers.get(name, () => server(name))])),
    observe: ({ operation }) => {
      if (operation.effect === "read") return;
      ofEngines.clear();
      ofServers.clear();
    },
  };
}

function lookersOf(context: Context): Lookers {
  return {
    engine: (name) =>
      tried(async () => {
        const { caches, errors } = await invoke(engines, { engine: [name] }, context);
        return { rows: caches, troubles: errors.map(({ message }) => message) };
      }),
    server: (name) =>
      tried(async () => {
        const { servers, errors } = await invoke(jellyfin, { server: [name] }, context);
        return { rows: servers, troubles: errors.map(({ message }) => message) };
      }),
  };
}

/** What could not be looked at at all is a trouble like others. */
async function tried<Row>(look: () => Promise<Look<Row>>): Promise<Look<Row>> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return { rows: [], troubles: [error.message] };
  }
}
