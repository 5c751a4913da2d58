import type { Context } from "../../shared/context.ts";
import { openState, type State } from "../../shared/state.ts";
import { makeContext } from "./context.ts";
import { KEY, type Jellyfin } from "./jellyfin.ts";
import { makePlace } from "./place.ts";

/** What a test changes of the context. */
export interface JellyfinContextParts extends Partial<Omit<Context, "jellyfin">> {
  /** Settings of every server. */
  readonly settings?: Record<string, unknown>;
  /** Keys by server; the right one where none is named. */
  readonly tokens?: Readonly<Record<string, string | undefined>>;
}

/** Where a stand-in answers in a context of {@link makeJellyfinContext}. */
const hostOf = (name: string) => `${name}.local`;

/** One store for all: each would start a thread of its own that keeps its locks. */
let store: State | undefined;

function emptyStore(): State {
  const state = (store ??= openState(makePlace("state")));
  state.write(() => {
    for (const table of ["jellyfin_steps", "jellyfin_offers"]) state.run(`DELETE FROM ${table}`);
  });
  return state;
}

/** A context in which nothing is remembered and these stand-ins are the configured servers, in the time of the first. The last one made counts. */
export function makeJellyfinContext(
  servers: Readonly<Record<string, Jellyfin>>,
  { settings = {}, tokens = {}, ...parts }: JellyfinContextParts = {},
): Context {
  const [first] = Object.values(servers);
  const state = emptyStore();
  return makeContext({
    state: () => state,
    now: () => first?.now() ?? 0,
    config: {
      jellyfin: Object.entries(servers).map(([name, { basePath }]) => ({
        name,
        url: `http://${hostOf(name)}:8096${basePath}`,
        ...settings,
      })),
    },
    ...parts,
    jellyfin: {
      fetch: async (url, init) => {
        const { hostname } = new URL(url);
        const [, server] = Object.entries(servers).find(([name]) => hostOf(name) === hostname) ?? [];
        if (server === undefined) throw new Error(`nobody is called ${hostname}`);
        return server.fetch(url, init);
      },
      wait: async (ms, signal) => {
        signal.throwIfAborted();
        for (const server of Object.values(servers)) server.advance(ms);
      },
      token: async (name) => (name in tokens ? tokens[name] : KEY),
    },
  });
}

/** What a server was asked to change: every request but those that only look. */
export function asked({ seen }: Jellyfin): string[] {
  return seen.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);
}
