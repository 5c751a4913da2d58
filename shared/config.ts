import { readFileSync } from "node:fs";

import { Type, type Static } from "typebox";

import { assertEngines, EngineCache } from "./caches/engine/settings.ts";
import { assertJellyfin, JellyfinServer } from "./caches/jellyfin/settings.ts";
import { assertManaged, ManagedCache } from "./caches/managed/settings.ts";
import { CacheOpsError, errnoOf } from "./errors.ts";
import { ServiceSettings } from "./service-settings.ts";
import { Cluster, Schedule } from "./schedule-settings.ts";
import { DURATION_PATTERN } from "./units.ts";
import { parse } from "./validate.ts";

const Duration = (description: string, value: string) =>
  Type.String({ pattern: DURATION_PATTERN, default: value, description });

/** What the operator decides once, in `config.json`. Every property has a default. */
export const Configuration = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    libraries: Type.Array(
      Type.Object(
        {
          name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description: "How you call it." }),
          roots: Type.Array(Type.String({ minLength: 1 }), {
            minItems: 1,
            description: "Absolute directories, or fast-glob patterns of directories such as /mnt/disk*/media.",
          }),
        },
        { additionalProperties: false },
      ),
      { default: [], description: "Media directories that caches are about." },
    ),
    keep: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: "Patterns of media paths, relative to their root, whose entries are never removed.",
    }),
    guards: Type.Object(
      {
        staleRatio: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 0.5,
          description: "Share of a root's entries that may have lost their media before a plan is blocked.",
        }),
        maxEntries: Type.Integer({ minimum: 1, default: 100_000, description: "Most entries one plan may change." }),
        minAge: Duration("How long a cache must have been left alone before an unattended run changes it.", "24h"),
        clockSkew: Duration("How far a cache may lie in the future before ages are not trusted.", "60s"),
      },
      { additionalProperties: false, default: {} },
    ),
    ffprobe: Type.Object(
      {
        program: Type.String({ minLength: 1, default: "ffprobe", description: "The program: a name, or its path." }),
        timeLimit: Duration("How long one media file may take.", "30s"),
        concurrency: Type.Integer({
          minimum: 0,
          maximum: 256,
          default: 0,
          description: "How many files are probed at once; 0: twice the number of processor cores.",
        }),
      },
      { additionalProperties: false, default: {} },
    ),
    probe: Type.Object(
      {
        ttl: Type.Optional(
          Type.String({
            pattern: DURATION_PATTERN,
            description: "Probe results older than this are made anew. Unset: only those of changed files.",
          }),
        ),
        maxEntries: Type.Integer({ minimum: 1, default: 1_000_000, description: "Most probe results that are kept." }),
        memoryEntries: Type.Integer({ minimum: 0, default: 10_000, description: "Most probe results held in memory." }),
        memoryBytes: Type.Integer({ minimum: 0, default: 64_000_000, description: "Most bytes of them." }),
        mediaAudit: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          description: "Cache directories of media-audit (absolute). None: its default place, if it is there.",
        }),
      },
      { additionalProperties: false, default: {}, description: "The central cache of ffprobe results." },
    ),
    managed: Type.Array(ManagedCache, { default: [], description: "Directories kept under TTL, LRU and a quota." }),
    engines: Type.Array(EngineCache, { default: [], description: "Caches in containers of stream engines." }),
    jellyfin: Type.Array(JellyfinServer, { default: [], description: "Jellyfin servers that are looked after." }),
    service: ServiceSettings,
    schedules: Type.Array(Schedule, { default: [], description: "What `serve` does by itself." }),
    cluster: Cluster,
    planExpiry: Duration("How long a plan may be applied.", "1h"),
    retention: Type.Object(
      {
        age: Duration("How long a run can be undone.", "14d"),
        maxBytes: Type.Integer({
          minimum: 0,
          default: 1_000_000_000,
          description: "Most bytes of compressed backups; the oldest go first.",
        }),
      },
      { additionalProperties: false, default: {} },
    ),
    timeLimit: Duration("How long one answer of the storage may take before it counts as unreachable.", "30s"),
  },
  { additionalProperties: false },
);
/** The configuration with every default filled in. */
export type Configuration = Static<typeof Configuration>;

/**
 * Reads a configuration file and fills in the defaults. One that is missing stands for all defaults, unless it was
 * named (`mustExist`). Throws `invalid_input` for anything that cannot be used, with what to correct. What it takes to
 * check schedules, most operations, is loaded only where there are some.
 */
export async function loadConfiguration(file: string, mustExist: boolean): Promise<Configuration> {
  const configuration = readUnscheduled(file, mustExist);
  if (configuration.schedules.length > 0) {
    const { assertSchedules } = await import("./schedulable.ts");
    assertSchedules(configuration.schedules, configuration.cluster);
  }
  return configuration;
}

/** {@link loadConfiguration} for whoever checks the schedules. */
export function readUnscheduled(file: string, mustExist: boolean): Configuration {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" && !mustExist) return parse(Configuration, {}, "configuration");
    throw new CacheOpsError("invalid_input", `cannot read the configuration ${file}`, {
      hint: "Check the path in CACHE_OPS_CONFIG and the rights of the file.",
      cause: error,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CacheOpsError("invalid_input", `configuration ${file} is not JSON: ${String(error)}`, {
      hint: "Correct the file; it is plain JSON without comments.",
      cause: error,
    });
  }
  const configuration = parse(Configuration, value, `configuration ${file}`);
  assertManaged(configuration.managed);
  assertEngines(configuration.engines);
  assertJellyfin(configuration.jellyfin);
  return configuration;
}
