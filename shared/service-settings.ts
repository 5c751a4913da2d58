import { Type, type Static } from "typebox";

import { DURATION_PATTERN } from "./units.ts";

/** What a webhook can be told about. */
export const NOTICES = ["quota", "blocked", "failure", "forecast"] as const;
/** One of {@link NOTICES}. */
export type Notice = (typeof NOTICES)[number];

/** An address that is told about events by a POST of JSON. */
export const Webhook = Type.Object(
  {
    url: Type.String({
      pattern: "^https?://[^\\s/?#@]+([/?#]\\S*)?$",
      maxLength: 2048,
      description: "http or https, without a user or password in it.",
    }),
    events: Type.Array(Type.Enum([...NOTICES]), {
      default: [...NOTICES],
      description:
        "quota: a managed cache passed its high watermark; blocked: a guard stopped a plan; failure: a change failed or was done in part; forecast: a managed cache will be full soon.",
    }),
  },
  { additionalProperties: false },
);
export type Webhook = Static<typeof Webhook>;

/** How `cache-ops serve` watches and whom it tells. */
export const ServiceSettings = Type.Object(
  {
    webhooks: Type.Array(Webhook, {
      default: [],
      maxItems: 16,
      description: "Signed with CACHE_OPS_WEBHOOK_SECRET (or _FILE) when that is set; redirects are not followed.",
    }),
    checkEvery: Type.String({
      pattern: DURATION_PATTERN,
      default: "5m",
      description: "How often the usage of managed caches is looked at.",
    }),
    forecastDays: Type.Integer({
      minimum: 1,
      maximum: 365,
      default: 7,
      description: "Tell when a managed cache is going to be full within so many days.",
    }),
    watch: Type.Boolean({
      default: false,
      description: "Watch the libraries, and tell at /events what becomes stale in them (Linux; see /watch).",
    }),
    lookEvery: Type.String({
      pattern: DURATION_PATTERN,
      default: "1h",
      description: "While libraries are watched: how often all of them are looked at, for what no watch can tell.",
    }),
  },
  { additionalProperties: false, default: {}, description: "The service (cache-ops serve)." },
);
export type ServiceSettings = Static<typeof ServiceSettings>;
