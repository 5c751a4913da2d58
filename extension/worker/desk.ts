import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

import {
  assertEngines,
  assertJellyfin,
  assertManaged,
  assertSchedules,
  cacheHomeIn,
  Configuration,
  jellyfinTokenFrom,
  loadPlan,
  objectStorageKeysFrom,
  orchestratorKeyFrom,
  openState,
  parse,
  readConfiguration,
  secretFrom,
  tokenVariable,
  type Context,
  type MediaAuditSurvey,
  type Progress,
  type State,
  type StoredPlan,
  type Survey,
} from "@cache-ops/shared";

import envPaths from "env-paths";

import type { CoreSettings, Places, Questions } from "../protocol.ts";

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
  /** The last looks at caches of media-audit, by their directories. */
  readonly mediaAudit: Map<string, MediaAuditSurvey>;
  close(): void;
}

/** Asks the editor, which has what no process but its own may read. */
export type AskEditor = <K extends keyof Questions>(name: K, params: Questions[K][0]) => Promise<Questions[K][1]>;

/** Makes the desk. Until it is configured the user's own places and configuration file count. */
export function makeDesk(ask: AskEditor = async () => null): Desk {
  let settings: CoreSettings = { stateDirectory: "", configurationFile: "", configuration: {} };
  let places: Places | undefined;
  let store: { readonly directory: string; readonly state: State } | undefined;

  let plan: StoredPlan | undefined;

  let stamp: string | undefined;
  // The configuration file may be edited at any time, with any editor.
  const settle = () => {
    const now = stampOf(configurationFileOf(settings).file);
    if (places === undefined || stamp !== now) {
      places = undefined;
      places = placesFor(settings);
      stamp = now;
    }
    return places;
  };
  const close = () => {
    store?.state.close();
    store = undefined;
  };
  return {
    survey: undefined,
    mediaAudit: new Map(),
    plan(id, context) {
      if (plan?.plan.id !== id) plan = loadPlan(context.state(), id);
      return plan;
    },
    configure(changed) {
      const known = { survey: this.survey, about: places && surveyedBy(places) };
      settings = changed;
      places = undefined;
      this.survey = undefined;
      const settled = settle();
      // Most settings are about something else, and a survey of a large library takes long.
      if (known.about === surveyedBy(settled)) this.survey = known.survey;
      else this.mediaAudit.clear();
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
      objectStorageKeys: objectStorageKeysFrom(process.env),
      orchestratorKey: orchestratorKeyFrom(process.env),
      jellyfin: {
        fetch,
        wait: async (ms, stop) => setTimeout(ms, undefined, { signal: stop }),
        token: async (name) => {
          const server = settle().configuration.jellyfin.find((known) => known.name === name);
          const key = server && (await ask("jellyfinKey", { url: server.url }));
          return key ?? jellyfinTokenFrom(process.env, name);
        },
      },
      configuration: settle().configuration,
    }),
    close,
  };
}

/** What a survey depends on, as one text. */
function surveyedBy({ configuration: { libraries, timeLimit } }: Places): string {
  return JSON.stringify([libraries, timeLimit]);
}

/**
 * Where things lie and what is in force: the configuration file, and over it what the editor's settings say. What has a
 * name (libraries, managed and engine caches, servers, schedules) and keep patterns of both count; one of the settings
 * replaces one of the same name.
 */
function placesFor({ stateDirectory, configurationFile, configuration }: CoreSettings): Places {
  const { file, isNamed } = configurationFileOf({ configurationFile });
  const shared = readConfiguration(file, isNamed);
  const merged = {
    ...shared,
    ...configuration,
    libraries: mergeNamed(shared.libraries, configuration.libraries),
    managed: mergeNamed(shared.managed, configuration.managed),
    engines: mergeNamed(shared.engines, configuration.engines),
    jellyfin: mergeNamed(shared.jellyfin, configuration.jellyfin),
    schedules: mergeNamed(shared.schedules, configuration.schedules),
    keep: [...new Set([...shared.keep, ...(configuration.keep ?? [])])],
    guards: { ...shared.guards, ...configuration.guards },
    retention: { ...shared.retention, ...configuration.retention },
    ffprobe: { ...shared.ffprobe, ...configuration.ffprobe },
    probe: { ...shared.probe, ...configuration.probe },
    service: { ...shared.service, ...configuration.service },
    cluster: { ...shared.cluster, ...configuration.cluster },
  };
  const settled = parse(Configuration, merged, "the settings of Cache Ops");
  assertEngines(settled.engines);
  assertJellyfin(settled.jellyfin);
  assertManaged(settled.managed);
  assertSchedules(settled.schedules, settled.cluster);
  return {
    stateDirectory: stateDirectory || process.env["CACHE_OPS_STATE_DIR"] || OWN.data,
    configurationFile: file,
    configuration: settled,
    keyVariables: Object.fromEntries(settled.jellyfin.map(({ name }) => [name, tokenVariable(name)])),
  };
}

function mergeNamed<T extends { readonly name: string }>(shared: readonly T[], own: readonly T[] = []): T[] {
  const names = new Set(own.map(({ name }) => name));
  return [...shared.filter(({ name }) => !names.has(name)), ...own];
}

const OWN = envPaths("cache-ops", { suffix: "" });

function configurationFileOf({ configurationFile }: Pick<CoreSettings, "configurationFile">) {
  const named = configurationFile || (process.env["CACHE_OPS_CONFIG"] ?? "");
  return { file: named || join(OWN.config, "config.json"), isNamed: named !== "" };
}

/** Differs when the file was written since. */
function stampOf(file: string): string {
  try {
    const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
    return stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.mtimeNs}`;
  } catch {
    // Reading it says what is wrong.
    return "unknown";
  }
}
