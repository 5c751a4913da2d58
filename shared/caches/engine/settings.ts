import { Type, type Static } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import { DURATION_PATTERN, parseDuration } from "../../units.ts";
import { ContainerSelector } from "./container.ts";

const closed = { additionalProperties: false } as const;
const Duration = (value: string, description: string) =>
  Type.String({ pattern: DURATION_PATTERN, default: value, description });
/** At least two levels deep, as it is written: no `.`, `..` or empty part. */
const PathInContainer = (description: string) =>
  Type.String({ pattern: "^(?!.*/\\.{1,2}(/|$))(/[^/\\u0000]+){2,}$", maxLength: 4096, description });

/** Where engines are known to keep their cache, by image and by year. One of them may keep it in memory alone. */
export const KNOWN_CACHE_PATHS = [
  "/home/appuser/.ACEStream/.acestream_cache",
  "/root/.ACEStream/.acestream_cache",
  "/dev/shm/.ACEStream",
] as const;

/** The program that hands out engines and knows which of them play. Its key is no setting: see `orchestrator-key.ts`. */
export const Orchestrator = Type.Object(
  {
    url: Type.String({
      pattern: "^https?://[^\\s@?#]+$",
      description: "Address of the orchestrator, such as http://127.0.0.1:8000; without key or password.",
    }),
    apiBase: Type.Optional(
      Type.String({
        pattern: "^(/[A-Za-z0-9._~-]+)*$",
        description:
          "What stands before /engines and /streams. Unset: /api/v1 (since 1.7) or nothing, found by asking.",
      }),
    ),
    timeLimit: Duration("10s", "How long one look, with everything it asks and asks again, may take."),
  },
  closed,
);
export type Orchestrator = Static<typeof Orchestrator>;

/** Containers whose cache directory is emptied while they are idle. */
export const EngineCache = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description: "How you call it." }),
    socket: Type.Optional(
      Type.String({ minLength: 1, description: "The Docker or Podman socket. Unset: /var/run/docker.sock." }),
    ),
    containers: Type.Object(ContainerSelector.properties, {
      ...closed,
      minProperties: 1,
      default: { labels: ["ondemand.app=myservice"] },
      description:
        "Which containers: those with all of these labels, and one of these names. Unset: the orchestrator's.",
    }),
    cachePath: Type.Optional(PathInContainer("The cache directory in the container. Unset: see cachePathLabel.")),
    cachePathLabel: Type.Optional(
      Type.String({ minLength: 1, description: "A label of the container that holds the path, where it has one." }),
    ),
    probePaths: Type.Array(PathInContainer("A directory in the container."), {
      default: [...KNOWN_CACHE_PATHS],
      description: "Where else the cache may be: what is there of these is it.",
    }),
    ports: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), {
        minItems: 1,
        description:
          "Without an orchestrator: ports in the container whose clients keep it busy. Unset: every port that it listens on.",
      }),
    ),
    user: Type.Optional(Type.String({ minLength: 1, description: "As whom commands run in the container." })),
    commandLimit: Duration("60s", "How long one command in the container may take."),
    orchestrator: Type.Optional(Orchestrator),
    grace: Duration("30s", "How long a container must have been seen idle before its cache goes."),
    poll: Duration("10s", "How often is looked; at most half of the grace period."),
    onStreamEnd: Type.Boolean({
      default: false,
      description: "Whether `serve` cleans by itself when the last stream of a container has ended.",
    }),
  },
  { ...closed, description: "Caches in the containers of stream engines, emptied only while these are idle." },
);
export type EngineCache = Static<typeof EngineCache>;

/**
 * Throws `invalid_input` for engine caches that cannot be meant: two of one name, an address that is none, looks
 * too far apart to vouch for a whole grace period.
 */
export function assertEngines(caches: readonly EngineCache[]): void {
  const fail = (name: string, what: string, hint: string) =>
    new CacheOpsError("invalid_input", `configuration: the engine cache ${name} ${what}`, { hint });
  for (const [index, { name, orchestrator, grace, poll }] of caches.entries()) {
    if (caches.slice(0, index).some((other) => other.name === name)) {
      throw fail(name, "is there twice", "Give each a name of its own.");
    }
    if (orchestrator !== undefined && !URL.canParse(orchestrator.url)) {
      throw fail(name, "has an orchestrator.url that is no address", "Write http://host:port.");
    }
    const [graceSeconds, pollSeconds] = [parseDuration(grace), parseDuration(poll)];
    if (pollSeconds === 0) throw fail(name, "would be looked at without a pause", "Give poll at least 1s.");
    if (graceSeconds > 0 && pollSeconds * 2 > graceSeconds) {
      throw fail(name, "is looked at too seldom for its grace period", "Give poll at most half of grace.");
    }
  }
}
