import { Type, type Static } from "typebox";

import { DURATION_PATTERN } from "./units.ts";

const closed = { additionalProperties: false } as const;

/** What has to be so before a schedule does anything: every sign that is named must be at or below its number. */
export const OnlyWhenIdle = Type.Object(
  {
    load: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 100, description: "Most load (1 minute) for each processor core." }),
    ),
    conversions: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "Most conversions: ffmpeg on this host, locks of mediabox in libraries.",
      }),
    ),
    streams: Type.Optional(Type.Integer({ minimum: 0, description: "Most active streams." })),
    wait: Type.String({
      pattern: DURATION_PATTERN,
      default: "1h",
      description: "How long to wait for that; then this time is left out.",
    }),
  },
  closed,
);
export type OnlyWhenIdle = Static<typeof OnlyWhenIdle>;

/** Something that is done by itself, again and again. */
export const Schedule = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description: "How you call it." }),
    cron: Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'When: five or six cron fields, such as "30 3 * * *"; six begin with seconds.',
    }),
    timezone: Type.Optional(
      Type.String({
        minLength: 1,
        description: "Zone of these times, such as Europe/Berlin. Unset: the host's; hosts that share work need one.",
      }),
    ),
    operation: Type.Enum(["check", "scan", "cleanup", "evict", "reconcile", "empty", "clear", "backup"], {
      description: "What is done.",
    }),
    input: Type.Object({}, { additionalProperties: true, default: {}, description: "Its input." }),
    apply: Type.Boolean({
      default: false,
      description: "Apply a plan at once. One that a guard blocks is never applied.",
    }),
    onlyWhenIdle: Type.Optional(OnlyWhenIdle),
    jitter: Type.String({
      pattern: DURATION_PATTERN,
      default: "0s",
      description: "Begin up to this much later: always the same on one host, so that several do not begin together.",
    }),
    missed: Type.Enum(["skip", "run"], {
      default: "skip",
      description: "A time at which no scheduler was running: run makes up for it, once for all of them.",
    }),
    enabled: Type.Boolean({ default: true }),
  },
  closed,
);
export type Schedule = Static<typeof Schedule>;

/** Sharing of schedules and work by several hosts that see the same libraries under the same paths. */
export const Cluster = Type.Object(
  {
    enabled: Type.Boolean({ default: false, description: "Share schedules and work through CACHE_OPS_REDIS_URL." }),
    lease: Type.String({
      pattern: "^[1-9][0-9]{0,4}[smh]$",
      default: "30s",
      description: "How long a host may be silent before another takes its work over.",
    }),
  },
  { ...closed, default: {} },
);
export type Cluster = Static<typeof Cluster>;
