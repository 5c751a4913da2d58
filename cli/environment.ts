import { env } from "node:process";
import { setTimeout } from "node:timers/promises";

import {
  cacheHomeIn,
  jellyfinTokenFrom,
  loadConfiguration,
  objectStorageKeysFrom,
  openState,
  orchestratorKeyFrom,
  secretFrom,
  type Context,
  type Progress,
  type State,
} from "@cache-ops/shared/start";

import { placesOf } from "./places.ts";

/** The context of one command. `close` must be called when it is over. */
export async function makeContext(
  signal: AbortSignal,
  progress: (progress: Progress) => void,
): Promise<{ readonly context: Context; readonly close: () => void }> {
  const { stateDirectory, configFile } = placesOf();
  let state: State | undefined;
  const context: Context = {
    now: () => Date.now(),
    signal,
    progress,
    log: () => undefined,
    state: () => (state ??= openState(stateDirectory)),
    stateDirectory,
    cacheHome: cacheHomeIn(env),
    redisUrl: secretFrom(env, "CACHE_OPS_REDIS_URL"),
    objectStorageKeys: objectStorageKeysFrom(env),
    orchestratorKey: orchestratorKeyFrom(env),
    jellyfin: {
      fetch,
      wait: async (ms, signal) => setTimeout(ms, undefined, { signal }),
      token: async (server) => jellyfinTokenFrom(env, server),
    },
    configuration: await loadConfiguration(configFile, env["CACHE_OPS_CONFIG"] !== undefined),
  };
  return { context, close: () => state?.close() };
}
