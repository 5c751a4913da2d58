import { join } from "node:path";

import {
  cacheHomeIn,
  Configuration,
  loadPlan,
  openState,
  parse,
  readConfiguration,
  secretFrom,
  type Context,
  type Progress,
  type State,
  type StoredPlan,
  type Survey,
} from "@cache-ops/shared";

import envPaths from "env-paths";

import type { CoreSettings, Places } from "../protocol.ts";

/** What the worker keeps between requests: settings, the open store, the last survey. */
export interface Desk {
  configure(settings: CoreSettings): Places;
  /** Throws `invalid_input` when file or settings cannot be used. */
  places(): Places;
  context(signal: AbortSignal, progress: (progress: Progress) => void): Context;
  /** A stored plan. The one used last is kept: a review asks for it page by page. */
  plan(id: string, context: Context): StoredPlan;
  /** The last survey and when it was made. */
  survey: { readonly at: number; readonly seen: Survey } | undefined;
  close(): void;
}

/** Makes the desk. Until it is configured the user's own places and configuration file count. */
export function makeDesk(): Desk {
  let settings: CoreSettings = { stateDirectory: "", configurationFile: "", configuration: {} };
  let places: Places | undefined;
  let store: { readonly directory: string; readonly state: State } | undefined;

  let plan: StoredPlan | undefined;

  const settle = () => (places ??= placesFor(settings));
  const close = () => {
    store?.state.close();
    store = undefined;
  };
  return {
    survey: undefined,
    plan(id, context) {
      if (plan?.plan.id !== id) plan = loadPlan(context.state(), id);
      return plan;
    },
    configure(changed) {
      settings = changed;
      places = undefined;
      this.survey = undefined;
      const settled = settle();
      if (store !== undefined && store.directory !== settled.stateDirectory) close();
      return settled;
    },
    places: settle,
    context: (signal, progress) => ({
      now: () => Date.now(),
      signal,
      progress,
      log: () => undefined,
      state: () => {
        const directory = settle().stateDirectory;
        store ??= { directory, state: openState(directory) };
        return store.state;
      },
      stateDirectory: settle().stateDirectory,
      cacheHome: cacheHomeIn(process.env),
      redisUrl: secretFrom(process.env, "CACHE_OPS_REDIS_URL"),
      configuration: settle().configuration,
    }),
    close,
  };
}

/**
 * Where things lie and what is in force: the configuration file, and over it what the editor's settings say. Libraries
 * and keep patterns of both count; a library of the settings replaces one of the same name.
 */
function placesFor({ stateDirectory, configurationFile, configuration }: CoreSettings): Places {
  const own = envPaths("cache-ops", { suffix: "" });
  const named = configurationFile || (process.env["CACHE_OPS_CONFIG"] ?? "");
  const file = named || join(own.config, "config.json");
  const shared = readConfiguration(file, named !== "");
  const libraries = configuration.libraries ?? [];
  const names = new Set(libraries.map(({ name }) => name));
  const merged = {
    ...shared,
    ...configuration,
    libraries: [...shared.libraries.filter(({ name }) => !names.has(name)), ...libraries],
    keep: [...new Set([...shared.keep, ...(configuration.keep ?? [])])],
    guards: { ...shared.guards, ...configuration.guards },
    retention: { ...shared.retention, ...configuration.retention },
    ffprobe: { ...shared.ffprobe, ...configuration.ffprobe },
    probe: { ...shared.probe, ...configuration.probe },
  };
  return {
    stateDirectory: stateDirectory || process.env["CACHE_OPS_STATE_DIR"] || own.data,
    configurationFile: file,
    configuration: parse(Configuration, merged, "the settings of Cache Ops"),
  };
}
