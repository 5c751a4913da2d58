import { Type, type TSchema, type Static } from "typebox";

import { matches } from "../../validate.ts";

/*
 * What the orchestrators of all ages say of engines and streams, in one form. An answer is read whole or not at all: an
 * entry that is not understood may be the very one that names a container.
 */

const Text = Type.Optional(Type.Union([Type.String(), Type.Null()]));
const Count = Type.Optional(Type.Union([Type.Number(), Type.Null()]));
// As Python and Go write it. Without a zone it is UTC: Python's naive utcnow().
const Time = Type.Optional(
  Type.Union([
    Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)?$" }),
    Type.Null(),
  ]),
);

const RawEngine = Type.Object({
  container_id: Type.String({ minLength: 1 }),
  container_name: Text,
  port: Count,
  streams: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  draining: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  monitor_count: Count,
  monitor_stream_count: Count,
  first_seen: Time,
  last_stream_usage: Time,
  last_assigned_at: Time,
});

const RawStream = Type.Object({
  id: Type.String({ minLength: 1 }),
  status: Type.String({ minLength: 1 }),
  container_id: Text,
  container_name: Text,
  engine_id: Text,
  engine_name: Text,
  ended_at: Time,
});

/** An engine as an orchestrator knows it. Times are of our clock, in milliseconds since 1970. */
export interface OrchestratedEngine {
  /** A container's id, or `host:port` where the orchestrator was not told it. */
  readonly containerId: string;
  readonly name: string | undefined;
  readonly port: number | undefined;
  /** Streams it is said to have. That there are none says nothing: newer orchestrators never fill it. */
  readonly streamIds: readonly string[];
  readonly isDraining: boolean;
  /** How many monitoring sessions play on it, which are no streams. */
  readonly monitors: number;
  /** Until when it was in use or unknown to the orchestrator, as far as that says. */
  readonly usedAt: number;
}

/** A stream as an orchestrator knows it. */
export interface OrchestratedStream {
  readonly id: string;
  /** `started`, `ended`, `allocating`, `prebuf`, `pending_failover`, or what else the orchestrator may say. */
  readonly status: string;
  /** Ids, names and addresses of the container it plays on; none when it has none yet. */
  readonly containers: readonly string[];
  /** When it ended, in milliseconds since 1970 by our clock, if that is told. */
  readonly endedAt: number | undefined;
}

/** What was read of an answer: its entries, or what is wrong with it in a few words. */
export type Reading<T> = { readonly entries: readonly T[] } | { readonly problem: string };

/** The engines in an answer to `/engines`: a list, or `{engines, total}`. `skewMs`: how far their clock is ahead of ours. */
export function readEngines(value: unknown, skewMs: number): Reading<OrchestratedEngine> {
  return readList(value, "engines", RawEngine, (raw) => ({
    containerId: raw.container_id,
    name: raw.container_name || undefined,
    port: raw.port ?? undefined,
    streamIds: raw.streams ?? [],
    isDraining: raw.draining ?? false,
    monitors: Math.max(raw.monitor_count ?? 0, raw.monitor_stream_count ?? 0),
    usedAt: Math.max(
      ...[raw.first_seen, raw.last_stream_usage, raw.last_assigned_at].map((time) => timeOf(time, skewMs) ?? 0),
    ),
  }));
}

/** The streams in an answer to `/streams`: a list, or `{streams, total}`. */
export function readStreams(value: unknown, skewMs: number): Reading<OrchestratedStream> {
  return readList(value, "streams", RawStream, (raw) => ({
    id: raw.id,
    status: raw.status,
    containers: [raw.container_id, raw.engine_id, raw.container_name, raw.engine_name].flatMap((name) => name || []),
    endedAt: timeOf(raw.ended_at, skewMs),
  }));
}

function readList<S extends TSchema, T>(
  value: unknown,
  name: "engines" | "streams",
  schema: S,
  read: (raw: Static<S>) => T,
): Reading<T> {
  let list: unknown = value;
  if (isObject(value) && Array.isArray(value[name])) {
    list = value[name];
    const { total } = value;
    if (total !== undefined && total !== value[name].length) {
      return { problem: `${value[name].length} ${name} where its total is another` };
    }
  }
  if (!Array.isArray(list)) return { problem: `no list of ${name}` };
  const entries: T[] = [];
  for (const [index, raw] of list.entries()) {
    if (!matches(schema, raw)) return { problem: `an entry (number ${index + 1}) that cannot be understood` };
    entries.push(read(raw));
  }
  return { entries };
}

function timeOf(text: string | null | undefined, skewMs: number): number | undefined {
  if (text === null || text === undefined) return undefined;
  const time = Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);
  // A date that is none (the 40th of May) is as good as the end of time: whatever it stands for did not end long ago.
  return Number.isNaN(time) ? Number.MAX_SAFE_INTEGER : time - skewMs;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
