import { setTimeout as pause } from "node:timers/promises";

import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import { listenTo, type Listening } from "./orchestrator-events.ts";
import { getText, type HttpAnswer } from "./orchestrator-request.ts";
import {
  readEngines,
  readStreams,
  type OrchestratedEngine,
  type OrchestratedStream,
  type Reading,
} from "./orchestrator.ts";
import type { Orchestrator } from "./settings.ts";

/** One look at all engines and streams. Times are of our clock, in milliseconds since 1970. */
export interface OrchestratorView {
  /** Before the streams were asked for: what holds at the end of the look held at this time or began after it. */
  readonly askedAt: number;
  readonly answeredAt: number;
  /** What stands before `/engines` and `/streams` there: `/api/v1` or nothing. */
  readonly base: string;
  readonly engines: readonly OrchestratedEngine[];
  readonly streams: readonly OrchestratedStream[];
}

/** A running orchestrator, of any version. It is only ever read. */
export interface OrchestratorClient {
  /**
   * Engines and streams, the streams last. Throws `forbidden` when the key is missing or refused, `unavailable` when
   * there is no answer in time or one that is not understood, also in part; `interrupted`. Nothing of that is a view.
   */
  look(): Promise<OrchestratorView>;
  /**
   * Calls back when the orchestrator tells that something changed, as it does since 1.7. `base` is that of a view.
   * The key goes along. The caller closes it.
   */
  listen(base: string, onEvent: () => void): Listening;
}

/** What the client needs of a context. The key is a secret, and in no error. */
export type OrchestratorContext = Pick<Context, "now" | "signal" | "orchestratorKey">;

const BASES = ["/api/v1", ""] as const;
const ATTEMPTS = 3;
const PAUSE_MS = 100;
const EXCERPT = 80;
/** A timer cannot wait longer than three weeks. */
const LONGEST_MS = 86_400_000;

/** A client of the orchestrator at an address. Nothing is asked yet. */
export function openOrchestrator(
  { url, apiBase, timeLimit }: Orchestrator,
  { now, signal, orchestratorKey: key }: OrchestratorContext,
): OrchestratorClient {
  const root = url.replace(/\/+$/, "");
  const seconds = parseDuration(timeLimit);
  const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  // Programs quote what they refuse; whatever is shown of an answer comes by here.
  const shown = (text: string) => {
    const safe = key === undefined ? text : text.replaceAll(key, "…");
    return safe.length > EXCERPT ? `${printable(safe.slice(0, EXCERPT))}…` : printable(safe);
  };
  const trouble = (what: string, hint: string, code: "unavailable" | "forbidden" = "unavailable") =>
    new CacheOpsError(code, `orchestrator ${root}: ${what}`, { hint });

  /** The answer to one question, asked again while that may help. */
  const ask = async (path: string, deadline: AbortSignal): Promise<HttpAnswer> => {
    let seen = `no answer to GET ${path} within ${timeLimit}`;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      try {
        if (attempt > 1) await pause(PAUSE_MS * (attempt - 1), undefined, { signal: deadline });
        const headers = { accept: "application/json", ...authorization };
        const answer = await getText({ url: new URL(root + path), headers, signal: deadline });
        if (answer.status < 500 && answer.status !== 429 && answer.status !== 408) return answer;
        seen = `GET ${path} answered ${answer.status} ("${shown(answer.text)}")`;
      } catch (error) {
        throwIfAborted(signal);
        if (deadline.aborted) break;
        const errno = errnoOf(error);
        if (errno === undefined) throw error;
        seen = `GET ${path}: ${errno}`;
        if (errno === "EMSGSIZE") break;
      }
    }
    throw trouble(seen, "Check that the orchestrator runs and that orchestrator.url is its address, then try again.");
  };

  /** The list that a path answers with, or `undefined` when there is no such path. */
  const list = async <T>(
    path: string,
    read: (value: unknown, skewMs: number) => Reading<T>,
    deadline: AbortSignal,
  ): Promise<readonly T[] | undefined> => {
    const { status, date, text } = await ask(path, deadline);
    if (status === 404) return undefined;
    if (status === 401 || status === 403) {
      throw trouble(
        `GET ${path} answered ${status}: ${key === undefined ? "it wants a key" : "the key is not the right one"}`,
        "Put the orchestrator's API_KEY into CACHE_OPS_ORCHESTRATOR_KEY, or its file into CACHE_OPS_ORCHESTRATOR_KEY_FILE.",
        "forbidden",
      );
    }
    const hint =
      "Give the orchestrator's own address in orchestrator.url, and orchestrator.apiBase if it has a special one.";
    if (status !== 200) throw trouble(`GET ${path} answered ${status} ("${shown(text)}")`, hint);
    const reading = read(jsonOf(text), date === undefined ? 0 : date - now());
    if ("entries" in reading) return reading.entries;
    throw trouble(`GET ${path} answered with ${reading.problem}: "${shown(text)}"`, hint);
  };

  let known: string | undefined = apiBase;
  const look = async (): Promise<OrchestratorView> => {
    throwIfAborted(signal);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(Math.min(seconds * 1000, LONGEST_MS))]);
    const bases = apiBase === undefined ? BASES : [apiBase];
    for (const base of known === undefined ? bases : new Set([known, ...bases])) {
      const engines = await list(`${base}/engines`, readEngines, deadline);
      if (engines === undefined) continue;
      const askedAt = now();
      const streams = await list(`${base}/streams`, readStreams, deadline);
      if (streams === undefined) {
        throw trouble(`there are ${base}/engines and no ${base}/streams`, "Check that this is an orchestrator.");
      }
      known = base;
      return { askedAt, answeredAt: now(), base, engines, streams };
    }
    known = apiBase;
    throw trouble(
      `nothing under ${bases.map((base) => `${base}/engines`).join(" or ")} (404)`,
      "Check orchestrator.url; behind a proxy, set orchestrator.apiBase to what stands before /engines.",
    );
  };
  return {
    look,
    listen: (base, onEvent) =>
      listenTo(new URL(`${root}${base}/events/stream`), { headers: authorization, signal }, onEvent),
  };
}

/** The value of a JSON text, or `undefined`, which is no list of anything. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
