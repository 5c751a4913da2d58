/**
 * The core's face to a program that has one thing to do and should be at it at once: what every command needs, and the
 * operations by their names. All else is behind index.ts, which loads everything.
 */
export { cacheHomeIn } from "./caches/probe/media-audit/places.ts";
export { jellyfinTokenFrom } from "./caches/jellyfin/settings.ts";
export { orchestratorKeyFrom } from "./caches/engine/orchestrator-key.ts";
export { loadConfiguration, type Configuration } from "./config.ts";
export type { Context, Progress } from "./context.ts";
export { CacheOpsError, systemError } from "./errors.ts";
export { objectStorageKeysFrom } from "./object-storage-keys.ts";
export { invoke, type Operation, type Outcome } from "./operation.ts";
export { allOperations, operationNamed } from "./operation-named.ts";
export { Detail } from "./operations/input.ts";
export { printable, printableJson } from "./printable.ts";
export { secretFrom } from "./secret.ts";
export { openState, type State } from "./state.ts";
export { countHanging } from "./time-limit.ts";
export type { View } from "./view.ts";
