import { Type, type Static } from "typebox";

import type { Idleness } from "../caches/engine/idle.ts";
import { openJudge } from "../caches/engine/idle-judge.ts";
import { sayIdleness } from "../caches/engine/idle-words.ts";
import { cleanupsOf, totalsOf } from "../caches/engine/ledger.ts";
import { lookAtEngines, type EngineScene, type SeenCache } from "../caches/engine/look.ts";
import { orchestratorTroubles } from "../caches/engine/plan.ts";
import type { Context } from "../context.ts";
import { Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { count } from "../view.ts";
import { minuteOf } from "./managed-view.ts";

const closed = { additionalProperties: false } as const;
const NullableText = Type.Union([Type.String(), Type.Null()]);
const NullableBytes = Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]);

/** A cache directory of a container, looked at. */
export const EngineCacheRow = Type.Object(
  {
    engine: Type.String({ description: "Name of the engine cache." }),
    container: Type.String({ description: "Name of the container." }),
    containerId: Type.String(),
    path: Type.Union([Type.String(), Type.Null()], {
      description: "The cache directory in the container; null: none was found.",
    }),
    state: Type.Enum(["measured", "absent", "unknown"], {
      description:
        "measured: what is in it is known, also when it is nothing; absent: there is no such directory; unknown: it cannot be looked at.",
    }),
    bytes: NullableBytes,
    entries: NullableBytes,
    use: Type.Enum(["idle", "busy", "unknown"], { description: "Only idle ones are emptied." }),
    because: Type.String({ description: "Why it is idle, busy or unknown, in a few words." }),
    streams: Type.Integer({ minimum: 0, description: "Streams that are known to play on it." }),
    lastCacheCleanup: NullableText,
    cacheSizeBytes: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], {
      description: "Bytes that were in it before the last cleanup.",
    }),
    cleanups: Type.Integer({ minimum: 0, description: "How often it was emptied." }),
    freedBytes: Type.Integer({ minimum: 0, description: "Bytes freed by these, together." }),
    history: Type.Array(
      Type.Object(
        {
          at: Type.String(),
          bytesBefore: Type.Integer({ minimum: 0 }),
          bytesAfter: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], { description: "Null: not known." }),
          outcome: Type.Enum(["complete", "partial", "unverified"]),
        },
        closed,
      ),
      { description: "The last cleanups, newest first." },
    ),
  },
  closed,
);
export type EngineCacheRow = Static<typeof EngineCacheRow>;

/** Looks at the caches in containers. */
export const engines = defineOperation({
  name: "engines",
  title: "Show engine caches",
  description:
    "Shows the caches in containers of stream engines: how large they are, whether the engine is idle, and when each was last emptied. Changes nothing.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      engine: Type.Optional(
        Type.Array(Type.String({ minLength: 1 }), { description: "Names of engine caches. Default: all." }),
      ),
    },
    closed,
  ),
  positional: "engine",
  output: Type.Object(
    {
      caches: Type.Array(EngineCacheRow),
      errors: Type.Array(Trouble, { description: "Engines that could not be looked at." }),
    },
    closed,
  ),
  rows: "caches",
  async run({ engine }, context) {
    const { scenes, troubles } = await lookAtEngines(engine, context);
    const judged = await Promise.all(scenes.map(async (scene) => ({ scene, idleness: await judge(scene, context) })));
    const rowsOf = ({ scene, idleness }: (typeof judged)[number]) =>
      scene.caches.map((seen) => rowOf(seen, idleness.get(seen.container.id), scene, context));
    return {
      caches: judged.flatMap(rowsOf),
      errors: [...troubles, ...judged.flatMap(({ scene, idleness }) => orchestratorTroubles(scene, idleness))],
    };
  },
  outcome: ({ errors }) => (errors.length > 0 ? "partial" : "ok"),
  view: ({ caches, errors }) => ({
    title: `${count(caches.length, "engine cache")}, ${caches.filter(({ use }) => use === "idle").length} idle.`,
    facts: [],
    table: {
      columns: [
        "Container",
        "Engine",
        "Cache directory",
        "Size",
        "Entries",
        "Use",
        "Last cleanup",
        "Size then",
        "Freed",
      ],
      rows: caches.map(cellsOf),
    },
    notes: [
      ...errors.map(({ path, message }) => `${printable(path)}: ${message}`),
      ...(caches.length === 0 && errors.length === 0
        ? ["No container is selected: check `containers` of the engine caches in the configuration."]
        : []),
      ...(caches.some(({ bytes }) => bytes !== null && bytes > 0)
        ? ["`cache-ops empty` waits for the grace period and plans to empty those that are idle."]
        : []),
    ],
  }),
});

/** Cleanups that are told of each cache. */
const TOLD = 5;

async function judge({ cache, engine, caches }: EngineScene, context: Context): Promise<ReadonlyMap<string, Idleness>> {
  const byId = Map.groupBy(caches, ({ container }) => container.id);
  const watched = [...byId.values()].flatMap((own) => {
    const [first] = own;
    return first === undefined ? [] : [{ container: first.container, paths: own.flatMap(({ path }) => path ?? []) }];
  });
  return watched.length === 0 ? new Map() : openJudge(cache, engine, context).look(watched);
}

function rowOf(
  { container, path, measurement }: SeenCache,
  idleness: Idleness | undefined,
  { cache }: EngineScene,
  context: Context,
): EngineCacheRow {
  const key = { engine: cache.name, container: container.name, path: path ?? "" };
  const state = context.state();
  const { cleanedAt, bytesBefore, cleanups, freedBytes } = totalsOf(state, key);
  const said = idleness === undefined ? "unknown" : sayIdleness(idleness, context.now());
  const streams = idleness?.state === "busy" ? idleness.by.filter(({ kind }) => kind === "stream").length : 0;
  return {
    engine: cache.name,
    container: container.name,
    containerId: container.id,
    path,
    state: measurement.state,
    bytes: measurement.state === "measured" ? measurement.bytes : null,
    entries: measurement.state === "measured" ? measurement.entries : null,
    use: idleness?.state ?? "unknown",
    because: measurement.state === "unknown" ? `${said}; not measured: ${measurement.reason}` : said,
    streams,
    lastCacheCleanup: cleanedAt === null ? null : new Date(cleanedAt).toISOString(),
    cacheSizeBytes: bytesBefore,
    cleanups,
    freedBytes,
    history: cleanupsOf(state, key, TOLD).map((cleanup) => ({ ...cleanup, at: new Date(cleanup.at).toISOString() })),
  };
}

function cellsOf(row: EngineCacheRow): (string | number)[] {
  const { container, engine, path, state, bytes, entries, because, lastCacheCleanup, cacheSizeBytes, freedBytes } = row;
  return [
    printable(container),
    engine,
    printable(path ?? ""),
    bytes === null ? state : formatBytes(bytes),
    entries ?? "",
    printable(because),
    lastCacheCleanup === null ? "never" : minuteOf(lastCacheCleanup),
    cacheSizeBytes === null ? "" : formatBytes(cacheSizeBytes),
    formatBytes(freedBytes),
  ];
}
