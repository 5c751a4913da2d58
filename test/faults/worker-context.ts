import { openState, readConfiguration, type Context, type State } from "../../shared/index.ts";

/** The context of a process of its own, as the command line makes it: its state directory, a configuration, a Redis. */
export function makeWorkerContext(stateDirectory: string, configFile: string, redisUrl: string): Context {
  let state: State | undefined;
  return {
    now: () => Date.now(),
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    state: () => (state ??= openState(stateDirectory)),
    stateDirectory,
    redisUrl,
    configuration: readConfiguration(configFile, true),
  };
}
