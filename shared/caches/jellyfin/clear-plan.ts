import { Type, type Static } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import type { JellyfinLink } from "./client.ts";
import { unlessDown, type JellyfinStatus } from "./clear-status.ts";
import { CHANNEL_TASK, CleanupTask } from "./tasks.ts";
import { countOffer, Offer, Section, testProvider, type SectionStatus } from "./xtream.ts";

const closed = { additionalProperties: false } as const;
const Nullable = Type.Union([Type.String(), Type.Null()]);

const common = {
  server: Type.String({ description: "Name of the server in the configuration." }),
  serverId: Type.String({ description: "Id that the server gave itself: another one there refuses the step." }),
};

const SeenSection = Type.Object(
  {
    startedAt: Nullable,
    completedAt: Nullable,
    isPopulated: Type.Boolean(),
  },
  { ...closed, description: "The section as it was planned for: a refresh since then refuses the step." },
);

/** One step on a server: all that is ever asked of one. */
export const JellyfinStep = Type.Union([
  Type.Object(
    {
      does: Type.Literal("clear"),
      ...common,
      section: Section,
      refills: Type.Boolean({ description: "Whether a full refill follows." }),
      seen: SeenSection,
      offer: Offer,
      least: Type.Integer({ minimum: 1, description: "Categories it must still offer when the step is done." }),
    },
    closed,
  ),
  Type.Object({ does: Type.Literal("refill"), ...common, section: Section, seen: SeenSection, offer: Offer }, closed),
  Type.Object(
    {
      does: Type.Literal("run_task"),
      ...common,
      key: CleanupTask,
      id: Type.String({ description: "What the server calls the task." }),
      lastStartedAt: Nullable,
    },
    closed,
  ),
]);
export type JellyfinStep = Static<typeof JellyfinStep>;

/** What is to be done to a server. */
export interface JellyfinRequest {
  readonly sections: readonly Section[];
  readonly tasks: readonly CleanupTask[];
  /** Whether cleared sections are filled again, in full. */
  readonly refills: boolean;
  /** Only these categories or series: no server offers it. */
  readonly only?: readonly string[] | undefined;
}

/** Reasons not to touch a server; each can be allowed for one run but those about a provider that is down or empty. */
export type JellyfinGuard = "provider_down" | "provider_empty" | "provider_shrunk" | "unknown_version";

/** A reason not to go on, with its cause and what to do. */
export interface JellyfinBlock {
  readonly guard: JellyfinGuard;
  readonly section: Section | null;
  readonly observed: string | number;
  readonly threshold?: number;
  readonly message: string;
  readonly advice: string;
}

/** Steps described and not taken, bound to what was seen; what was left alone, and why. */
export interface JellyfinPlan {
  readonly steps: readonly JellyfinStep[];
  readonly blocked: readonly JellyfinBlock[];
  readonly skipped: readonly { readonly what: string; readonly rule: string; readonly observed: string }[];
}

/**
 * Plans what is asked for. A section is cleared only while its provider answers and offers about what it did before
 * (`remembered`): what Jellyfin reads anew from one that is down or empty makes it delete good items. A section that is
 * empty, and of which nothing was ever offered, is left alone.
 *
 * Throws `invalid_input` for a selective clear, `forbidden` and `interrupted` as the link does.
 */
export async function planJellyfin(
  link: JellyfinLink,
  status: JellyfinStatus,
  request: JellyfinRequest,
  {
    remembered = new Map(),
    allow = [],
  }: { readonly remembered?: ReadonlyMap<Section, Offer>; readonly allow?: readonly JellyfinGuard[] } = {},
): Promise<JellyfinPlan> {
  if (request.only !== undefined && request.only.length > 0) {
    throw new CacheOpsError("invalid_input", "the Xtream plugin clears a section as a whole", {
      hint: "Ask for the section series or vod; no route of the plugin clears single categories or series.",
    });
  }
  const steps: JellyfinStep[] = [];
  const blocked: JellyfinBlock[] = [];
  const skipped: JellyfinPlan["skipped"][number][] = [];
  const common = { server: link.server.name, serverId: status.server.id };
  if (!status.server.isKnown && !allow.includes("unknown_version")) {
    blocked.push(block("unknown_version", null, status.server.version));
  }
  for (const section of request.sections) {
    const found = status.sections.find((known) => known.section === section);
    if (found === undefined) {
      skipped.push({ what: section, rule: "not_offered", observed: "this server has no such cache" });
      continue;
    }
    const seen = seenOf(found);
    const isEmpty = !found.isPopulated && !found.isRefreshing;
    if (isEmpty && !request.refills) {
      skipped.push({ what: section, rule: "already_empty", observed: found.text });
      continue;
    }
    if (!isEmpty && !status.tasks.some(({ key }) => key === CHANNEL_TASK)) {
      skipped.push({ what: section, rule: "no_channel_task", observed: `no task ${CHANNEL_TASK}` });
      continue;
    }
    const offer = await askProvider(link, section, blocked);
    if (offer === undefined) continue;
    const before = remembered.get(section);
    if (offer.items === 0) {
      const observed = `${offer.categories} categories, ${offer.items} items`;
      if (isEmpty && before === undefined) skipped.push({ what: section, rule: "nothing_offered", observed });
      else blocked.push(block("provider_empty", section, observed));
      continue;
    }
    const shrunk = shrinkage(offer, before, link.server.minRefillShare);
    if (shrunk !== undefined && !allow.includes("provider_shrunk")) {
      blocked.push({ ...block("provider_shrunk", section, shrunk), threshold: link.server.minRefillShare });
      continue;
    }
    const least = Math.max(1, Math.ceil(offer.categories * link.server.minRefillShare));
    steps.push(
      isEmpty
        ? { does: "refill", ...common, section, seen, offer }
        : { does: "clear", ...common, section, refills: request.refills, seen, offer, least },
    );
  }
  for (const key of new Set(request.tasks)) {
    const task = status.tasks.find((known) => known.key === key);
    const busy = busyReason(key, status);
    if (task === undefined) skipped.push({ what: key, rule: "not_offered", observed: "this server has no such task" });
    else if (busy !== undefined) skipped.push({ what: key, rule: "busy", observed: busy });
    else steps.push({ does: "run_task", ...common, key, id: task.id, lastStartedAt: task.last?.startedAt ?? null });
  }
  return { steps: blocked.length > 0 ? [] : steps, blocked, skipped };
}

/** What of a section must be the same when its step is taken. */
export function seenOf({ startedAt, completedAt, isPopulated }: SectionStatus): Static<typeof SeenSection> {
  return { startedAt, completedAt, isPopulated };
}

/** Why a task cannot run now, if so. Optimizing during a library scan does nothing and says that it did. */
export function busyReason(key: CleanupTask, { tasks }: Pick<JellyfinStatus, "tasks">): string | undefined {
  if (tasks.some((task) => task.key === key && task.state !== "Idle")) return "it is running already";
  const isScanning = tasks.some((task) => task.key === "RefreshLibrary" && task.state !== "Idle");
  return key === "OptimizeDatabaseTask" && isScanning ? "a library scan is running" : undefined;
}

/** What the provider offers; `undefined`, with the block, while it is down. */
async function askProvider(link: JellyfinLink, section: Section, blocked: JellyfinBlock[]): Promise<Offer | undefined> {
  const account = await unlessDown(async () => testProvider(link));
  if (account !== "Active") {
    blocked.push(block("provider_down", section, account ?? "no answer"));
    return undefined;
  }
  const offer = await unlessDown(async () => countOffer(link, section));
  if (offer === undefined) blocked.push(block("provider_down", section, "no list of what it offers"));
  return offer;
}

/** What became too few since it was last remembered, in words, or `undefined`. */
function shrinkage(now: Offer, before: Offer | undefined, share: number): string | undefined {
  if (before === undefined) return undefined;
  if (now.categories < before.categories * share) return `${now.categories} of ${before.categories} categories`;
  return now.items < before.items * share ? `${now.items} of ${before.items} items` : undefined;
}

const WORDS: Readonly<Record<JellyfinGuard, readonly [message: string, advice: string]>> = {
  provider_down: [
    "the provider does not answer, or its account is not active",
    "Check the account and the provider (Xtream settings in Jellyfin). A clear now would leave nothing to fill from.",
  ],
  provider_empty: [
    "the provider offers nothing",
    "Check what is selected in the Xtream settings and what the account may see. Nothing is cleared for an empty list.",
  ],
  provider_shrunk: [
    "the provider offers far less than before",
    "Look whether it lost categories for a while. If it stays that way, allow provider_shrunk once.",
  ],
  unknown_version: [
    "this version of Jellyfin is not known",
    "Known are 10.10, 10.11 and 12. To go on all the same, allow unknown_version once.",
  ],
};

function block(guard: JellyfinGuard, section: Section | null, observed: string | number): JellyfinBlock {
  const [message, advice] = WORDS[guard];
  return { guard, section, observed, message, advice };
}
