import { Type, type Static } from "typebox";

import { readJellyfin, type JellyfinStatus } from "../caches/jellyfin/clear-status.ts";
import { lastCleared } from "../caches/jellyfin/memory.ts";
import { lookAtEach, serversNamed } from "../caches/jellyfin/reach.ts";
import { CleanupTask, type Task } from "../caches/jellyfin/tasks.ts";
import { Section } from "../caches/jellyfin/xtream.ts";
import type { Context } from "../context.ts";
import { Trouble } from "../finding.ts";
import { defineOperation, type Outcome } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { matches } from "../validate.ts";
import { count, type Row } from "../view.ts";
import { minuteOf } from "./managed-view.ts";

const closed = { additionalProperties: false } as const;
const NullableText = Type.Union([Type.String(), Type.Null()]);
const Share = Type.Number({ minimum: 0, maximum: 1 });
const Room = Type.Union([
  Type.Object({ path: Type.String(), freeBytes: Type.Number(), usedBytes: Type.Number() }, closed),
  Type.Null(),
]);

/** A Jellyfin server, looked at. */
export const JellyfinRow = Type.Object(
  {
    server: Type.String({ description: "Name in the configuration." }),
    version: Type.String(),
    sections: Type.Array(
      Type.Object(
        {
          section: Section,
          isPopulated: Type.Boolean({ description: "Whether it holds categories." }),
          isRefreshing: Type.Boolean(),
          progress: Share,
          text: Type.String({ description: "In the words of the plugin." }),
          completedAt: NullableText,
          lastCleared: Type.Union([Type.String(), Type.Null()], { description: "By Cache Ops; null: never." }),
        },
        closed,
      ),
      { description: "Caches of the Xtream plugin; none where it is not installed." },
    ),
    tasks: Type.Array(
      Type.Object(
        {
          key: CleanupTask,
          name: NullableText,
          state: Type.Enum(["Idle", "Cancelling", "Running"]),
          progress: Type.Union([Share, Type.Null()]),
          lastEnded: NullableText,
          lastStatus: NullableText,
        },
        closed,
      ),
      { description: "Jellyfin's own cleanup tasks." },
    ),
    counts: Type.Union([
      Type.Object(
        { movies: Type.Integer(), series: Type.Integer(), episodes: Type.Integer() },
        { ...closed, description: "Items in its database; null: it would not say." },
      ),
      Type.Null(),
    ]),
    cacheRoom: Room,
    transcodeRoom: Room,
  },
  closed,
);
export type JellyfinRow = Static<typeof JellyfinRow>;

/** Looks at Jellyfin servers. */
export const jellyfin = defineOperation({
  name: "jellyfin",
  title: "Show Jellyfin servers",
  description:
    "Shows the Xtream channel caches of Jellyfin servers, how far a refill is, and their cleanup tasks. Changes nothing.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      server: Type.Optional(
        Type.Array(Type.String({ minLength: 1 }), { description: "Names of Jellyfin servers. Default: all." }),
      ),
    },
    closed,
  ),
  positional: "server",
  output: Type.Object(
    {
      servers: Type.Array(JellyfinRow),
      errors: Type.Array(Trouble, { description: "Servers that could not be looked at." }),
    },
    closed,
  ),
  rows: "servers",
  async run({ server = [] }, context) {
    const looked = await lookAtEach(serversNamed(server, context), context, readJellyfin);
    return {
      servers: looked.flatMap((one) => ("seen" in one ? [rowOf(one.server.name, one.seen, context)] : [])),
      errors: looked.flatMap((one) => ("trouble" in one ? [one.trouble] : [])),
    };
  },
  outcome: ({ servers, errors: [trouble] }) => {
    if (trouble === undefined) return "ok";
    return servers.length > 0 ? "partial" : (OUTCOMES.find((code) => code === trouble.code) ?? "partial");
  },
  view: ({ servers, errors }) => ({
    title: `${count(servers.length, "Jellyfin server")}${errors.length > 0 ? `, ${errors.length} could not be looked at` : ""}.`,
    facts: servers.flatMap(factsOf),
    table: { columns: ["Server", "Cache or task", "State", "Ended", "Cleared"], rows: servers.flatMap(rowsOf) },
    notes: [
      ...errors.map(({ path, message }) => `${printable(path)}: ${printable(message)}`),
      ...servers.flatMap(({ server, sections }) =>
        sections.length > 0 ? [] : [`${server}: the Xtream plugin is not installed there, so it has no channel cache.`],
      ),
    ],
  }),
});

/** What keeps every server from being looked at is what the whole came to. */
const OUTCOMES = ["unavailable", "forbidden", "invalid_input"] as const satisfies readonly Outcome[];

function rowOf(server: string, status: JellyfinStatus, context: Context): JellyfinRow {
  const { sections, tasks, counts, cacheRoom, transcodeRoom } = status;
  return {
    server,
    version: status.server.version,
    sections: sections.map(({ section, isPopulated, isRefreshing, progress, text, completedAt }) => {
      const cleared = lastCleared(context.state(), server, section);
      const at = cleared === null ? null : new Date(cleared).toISOString();
      return { section, isPopulated, isRefreshing, progress, text, completedAt, lastCleared: at };
    }),
    tasks: tasks.flatMap(taskOf),
    counts,
    cacheRoom,
    transcodeRoom,
  };
}

/** A cleanup task; of the others nothing is shown, for nothing can be done with them here. */
function taskOf({ key, name, state, progress, last }: Task): JellyfinRow["tasks"] {
  if (!matches(CleanupTask, key)) return [];
  return [{ key, name, state, progress, lastEnded: last?.endedAt ?? null, lastStatus: last?.status ?? null }];
}

function factsOf({ server, version, counts, cacheRoom }: JellyfinRow): (readonly [string, string])[] {
  const items =
    counts === null
      ? "does not count its items"
      : `${count(counts.movies, "film")}, ${count(counts.series, "series", "series")}, ${count(counts.episodes, "episode")}`;
  const room = cacheRoom === null ? "" : `; ${formatBytes(cacheRoom.freeBytes)} free beside its cache`;
  return [[server, `${printable(version)}; ${items}${room}`]];
}

function rowsOf({ server, sections, tasks }: JellyfinRow): Row[] {
  return [
    ...sections.map(({ section, isRefreshing, isPopulated, progress, text, completedAt, lastCleared }) => [
      server,
      section,
      `${isRefreshing ? `${percentOf(progress)} ` : isPopulated ? "" : "empty: "}${printable(text)}`,
      completedAt === null ? "" : printable(minuteOf(completedAt)),
      lastCleared === null ? "never" : minuteOf(lastCleared),
    ]),
    ...tasks.map(({ key, name, state, progress, lastEnded, lastStatus }) => [
      server,
      printable(name === null ? key : `${key} (${name})`),
      state === "Idle"
        ? (lastStatus ?? "never ran")
        : `${state} ${progress === null ? "" : percentOf(progress)}`.trim(),
      lastEnded === null ? "" : printable(minuteOf(lastEnded)),
      "",
    ]),
  ];
}

function percentOf(share: number): string {
  return `${Math.round(share * 100)} %`;
}
