import { CacheOpsError } from "../../errors.ts";
import type { ContainerUse } from "./container-use.ts";
import type { ContainerSummary } from "./container.ts";
import type { OrchestratorView } from "./orchestrator-client.ts";
import type { OrchestratedEngine, OrchestratedStream } from "./orchestrator.ts";

/** What of a container says that an engine or a stream of an orchestrator is on it. */
export type EngineContainer = Pick<ContainerSummary, "id" | "name" | "labels">;

/** What keeps a container busy. */
export type Occupation =
  /** A stream that has not ended names it. */
  | { readonly kind: "stream"; readonly stream: string; readonly status: string }
  /** A stream is being given an engine, and which is not known yet. */
  | { readonly kind: "allocating"; readonly stream: string; readonly status: string }
  /** A stream that has not ended, on what cannot be told: it may be this one. */
  | { readonly kind: "unattributed"; readonly stream: string; readonly status: string }
  | { readonly kind: "monitor"; readonly sessions: number }
  | { readonly kind: "draining" }
  /** Seen in the container itself: a client is connected, or something in the cache is open. */
  | { readonly kind: "use"; readonly by: string }
  /** Nothing plays, but not for long enough: until then (milliseconds since 1970) something must go on not playing. */
  | { readonly kind: "grace"; readonly until: number };

/** Whether the cache of a container may go. Only `idle` says that it may. */
export type Idleness =
  /** Nothing plays since then at the latest, in milliseconds since 1970. */
  | { readonly state: "idle"; readonly since: number }
  | { readonly state: "busy"; readonly by: readonly [Occupation, ...Occupation[]] }
  | { readonly state: "unknown"; readonly code: CacheOpsError["code"]; readonly why: string; readonly hint?: string };

/** What is remembered of a container between two looks. Plain data. */
export interface IdleMemory {
  readonly container: string;
  /** When it was last looked at with success. */
  readonly lookedAt: number;
  /** Since when nothing was seen to play; `null` when something did. */
  readonly quietSince: number | null;
}

/** How long nothing must have played, in milliseconds, and how far apart two looks may be to vouch for the time between. */
export interface IdleTerms {
  readonly graceMs: number;
  readonly maxGapMs: number;
}

/** What a judgement comes to, and what is to be remembered for the next one. */
export interface Judgement {
  readonly idleness: Idleness;
  readonly memory: IdleMemory | undefined;
}

/** When a look began and ended, in milliseconds since 1970. */
type LookTimes = Pick<OrchestratorView, "askedAt" | "answeredAt">;

/** Labels by which orchestrators note the ports of an engine: on the host, and in the container. */
const HOST_PORT_LABEL = "host.http_port";
const PORT_LABELS = [HOST_PORT_LABEL, "host.api_port", "acestream.http_port", "acestream.api_port"];

/** Streams that have no engine yet, or lose the one they have: any engine may be the next. */
const BETWEEN_ENGINES = new Set(["allocating", "pending_failover"]);

/**
 * Judges a container by a look at the orchestrator, or by what kept it from answering. Pure.
 *
 * Idle is who is known there, is not draining, and is named by no stream but such as ended, while no stream is about to
 * get an engine, for the grace period. How many streams an engine is said to have is no evidence of idleness. The
 * returned memory goes into the next judgement; without one the grace period begins with this look.
 */
export function judgeIdle(
  container: EngineContainer,
  seen: OrchestratorView | CacheOpsError,
  previous: IdleMemory | undefined,
  terms: IdleTerms,
): Judgement {
  if (seen instanceof CacheOpsError) {
    const { code, message: why, hint } = seen;
    return { idleness: { state: "unknown", code, why, ...(hint === undefined ? {} : { hint }) }, memory: previous };
  }
  const remember = (quietSince: number | null) => ({ container: container.id, lookedAt: seen.answeredAt, quietSince });
  const rows = seen.engines.filter((engine) => isRowOf(engine, container));
  const by = [...occupationsByStreams(container, seen, rows), ...occupationsByRows(rows, seen)];
  const [first, ...others] = by;
  if (first !== undefined) return { idleness: { state: "busy", by: [first, ...others] }, memory: remember(null) };
  if (rows.length === 0) {
    const why = `the orchestrator does not know this container, but ${seen.engines.length} others`;
    const hint = "It may have just started, or belong to another orchestrator: check orchestrator.url and containers.";
    return { idleness: { state: "unknown", code: "not_found", why, hint }, memory: remember(null) };
  }
  const ends = seen.streams.flatMap((stream) =>
    isEnded(stream) && namesContainer(stream, container) ? (stream.endedAt ?? []) : [],
  );
  return judgeQuiet(container.id, seen, [...rows.map(({ usedAt }) => usedAt), ...ends], previous, terms);
}

/**
 * Judges a container that no orchestrator looks after, by who was seen to use its cache. Pure; the memory is that of
 * {@link judgeIdle}.
 */
export function judgeUse(
  id: string,
  use: ContainerUse,
  times: LookTimes,
  previous: IdleMemory | undefined,
  terms: IdleTerms,
): Judgement {
  if (use.state === "idle") return judgeQuiet(id, times, [], previous, terms);
  if (use.state === "unknown") {
    return { idleness: { state: "unknown", code: "unavailable", why: use.reason }, memory: previous };
  }
  const memory = { container: id, lookedAt: times.answeredAt, quietSince: null };
  return { idleness: { state: "busy", by: [{ kind: "use", by: use.by }] }, memory };
}

/** Judges a container that nothing uses now, by when it was last used as far as that is known. */
function judgeQuiet(
  id: string,
  times: LookTimes,
  usedAt: readonly number[],
  previous: IdleMemory | undefined,
  { graceMs, maxGapMs }: IdleTerms,
): Judgement {
  const { askedAt, answeredAt } = times;
  const before = continued(id, times, previous, maxGapMs) ?? answeredAt;
  // What lies in the future, by whatever clock, happened just now.
  const quietSince = Math.min(Math.max(before, ...usedAt), answeredAt);
  const memory = { container: id, lookedAt: answeredAt, quietSince };
  if (graceMs > 0 && askedAt - quietSince < graceMs) {
    return { idleness: { state: "busy", by: [{ kind: "grace", until: quietSince + graceMs }] }, memory };
  }
  return { idleness: { state: "idle", since: quietSince }, memory };
}

/** Since when it was quiet at the look before, when that look vouches for the time up to this one. */
function continued(
  id: string,
  { askedAt }: LookTimes,
  previous: IdleMemory | undefined,
  maxGapMs: number,
): number | undefined {
  if (previous === undefined || previous.container !== id || previous.quietSince === null) return undefined;
  const gap = askedAt - previous.lookedAt;
  return gap >= 0 && gap <= maxGapMs ? previous.quietSince : undefined;
}

function occupationsByStreams(
  container: EngineContainer,
  { streams, engines }: OrchestratorView,
  rows: readonly OrchestratedEngine[],
): Occupation[] {
  const others = engines.filter((engine) => !rows.includes(engine));
  const ports = rows.flatMap(({ port }) => port ?? []);
  return streams.flatMap((stream): Occupation[] => {
    const { id, status } = stream;
    if (isEnded(stream)) return [];
    if (namesContainer(stream, container, ports)) return [{ kind: "stream", stream: id, status }];
    if (BETWEEN_ENGINES.has(status)) return [{ kind: "allocating", stream: id, status }];
    if (namesAnother(stream, others)) return [];
    return [{ kind: "unattributed", stream: id, status }];
  });
}

function occupationsByRows(rows: readonly OrchestratedEngine[], { streams }: OrchestratorView): Occupation[] {
  return rows.flatMap(({ isDraining, monitors, streamIds }): Occupation[] => [
    ...(isDraining ? [{ kind: "draining" } as const] : []),
    ...(monitors > 0 ? [{ kind: "monitor", sessions: monitors } as const] : []),
    // One it lists there and nowhere else. Those that ended may still stand there, and the others count already.
    ...streamIds
      .filter((id) => !streams.some((stream) => stream.id === id))
      .map((stream) => ({ kind: "stream", stream, status: "listed" }) as const),
  ]);
}

/** Whether a stream is over. Whatever is not said to be ended is not. */
export function isEnded({ status }: Pick<OrchestratedStream, "status">): boolean {
  return status === "ended";
}

/** Whether an id, a name or an address of a stream may be this container's; `ports` are such as it is known to have. */
export function namesContainer(
  { containers }: OrchestratedStream,
  container: EngineContainer,
  ports: readonly number[] = [],
): boolean {
  const own = [...ports, ...portsOf(container, PORT_LABELS)];
  return containers.some((name) => {
    const port = portOf(name);
    return isIdOf(name, container) || name === container.name || (port !== undefined && own.includes(port));
  });
}

/** Whether a stream, which does not name the container in question, names one that is known to be another. */
function namesAnother({ containers }: OrchestratedStream, others: readonly OrchestratedEngine[]): boolean {
  return containers.some((name) => {
    if (isId(name)) return true;
    const port = portOf(name);
    return others.some((other) =>
      port === undefined ? [other.containerId, other.name].includes(name) : other.port === port,
    );
  });
}

/** By its id where it has one: another container may have had the name before. */
function isRowOf({ containerId }: OrchestratedEngine, container: EngineContainer): boolean {
  if (isId(containerId)) return isIdOf(containerId, container);
  const port = portOf(containerId);
  if (port === undefined) return containerId === container.name;
  // The port inside is the same in many containers.
  return portsOf(container, [HOST_PORT_LABEL]).includes(port);
}

/** Docker's own ids, whole or as it shortens them. */
function isId(text: string): boolean {
  return /^([0-9a-f]{12}|[0-9a-f]{64})$/.test(text);
}

function isIdOf(text: string, { id }: EngineContainer): boolean {
  return isId(text) && id.startsWith(text);
}

function portsOf({ labels }: EngineContainer, names: readonly string[]): number[] {
  return names.flatMap((name) => (/^[0-9]{1,5}$/.test(labels[name] ?? "") ? Number(labels[name]) : []));
}

function portOf(text: string): number | undefined {
  const digits = /^[^/]+:([0-9]{1,5})$/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
