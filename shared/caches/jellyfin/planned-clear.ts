import type { Context } from "../../context.ts";
import type { ChangeDraft } from "../../draft.ts";
import { CacheOpsError } from "../../errors.ts";
import type { Blocked } from "../../guard.ts";
import type { Skipped } from "../../plan.ts";
import { storePlan, type MadePlan } from "../../planner.ts";
import { printable } from "../../printable.ts";
import { draftRemote } from "../../remote.ts";
import { planJellyfin, type JellyfinBlock, type JellyfinPlan, type JellyfinStep } from "./clear-plan.ts";
import { readJellyfin, type JellyfinStatus } from "./clear-status.ts";
import { rememberedOffers } from "./memory.ts";
import { lookAtEach, serversNamed } from "./reach.ts";
import type { CleanupTask } from "./tasks.ts";
import { SECTIONS, type Section } from "./xtream.ts";

/** Guards of Jellyfin servers that can be passed over: what cannot be filled again is cleared for nobody. */
export const OVERRIDABLE = ["provider_shrunk", "unknown_version"] as const;

/** What is to be cleared, filled and tidied. */
export interface ClearRequest {
  /** Names of servers; none: all. */
  readonly servers: readonly string[];
  /** None: both, unless tasks are named. */
  readonly sections: readonly Section[];
  readonly tasks: readonly CleanupTask[];
  readonly refills: boolean;
  readonly allow: readonly (typeof OVERRIDABLE)[number][];
}

/**
 * Plans what is asked for on each server, all of them looked at at once. Changes nothing. A server that cannot be looked
 * at is a trouble of its own; a guard that objects on one blocks the plan for all of them.
 *
 * Throws `not_found` as {@link serversNamed} does, and the trouble itself when no server could be looked at.
 */
export async function planClear(request: ClearRequest, context: Context): Promise<MadePlan> {
  const { tasks, refills, allow } = request;
  const servers = serversNamed(request.servers, context);
  const wanted = request.sections.length > 0 || tasks.length > 0 ? request.sections : SECTIONS;
  const sections = [...new Set(wanted)];
  const looked = await lookAtEach(servers, context, async (link) => {
    const status = await readJellyfin(link);
    const remembered = rememberedOffers(context.state(), status.server.id);
    return { status, plan: await planJellyfin(link, status, { sections, tasks, refills }, { remembered, allow }) };
  });
  const failed = looked.flatMap((one) => ("error" in one ? [one] : []));
  const [first, second] = failed;
  if (first !== undefined && failed.length === looked.length) {
    if (second === undefined) throw first.error;
    const messages = failed.map(({ error }) => error.message).join("; ");
    throw new CacheOpsError(first.error.code, `no server could be looked at: ${messages}`, { hint: first.error.hint });
  }
  const changes: ChangeDraft[] = [];
  const skipped: Skipped[] = [];
  const blocked: Blocked[] = [];
  for (const one of looked) {
    if (!("seen" in one)) continue;
    const { name } = one.server;
    const { status, plan } = one.seen;
    changes.push(...plan.steps.map((step) => changeOf(step, status)));
    skipped.push(...plan.skipped.map((left) => skippedOf(name, left)));
    blocked.push(
      ...plan.blocked.map((block) => blockedOf(name, block, servers.length * (sections.length + tasks.length) > 1)),
    );
  }
  const draft = draftRemote(changes.map((change, index) => ({ ...change, id: index + 1 })));
  return storePlan(
    draft,
    { operation: "clear", passports: [], blocked, kept: {}, skipped, troubles: failed.map(({ trouble }) => trouble) },
    context,
  );
}

function changeOf(step: JellyfinStep, status: JellyfinStatus): ChangeDraft {
  const name = step.does === "run_task" ? step.key : step.section;
  return {
    does: step.does,
    kind: "jellyfin",
    cache: `${step.server}/${name}`,
    entry: null,
    name,
    problem: "expired",
    reason: { rule: "requested", observed: printable(saidOf(step, status)) },
    jellyfin: step,
    evidence: [],
  };
}

/** What the server says of the section or task that a step is about. */
function saidOf(step: JellyfinStep, { sections, tasks }: JellyfinStatus): string {
  if (step.does !== "run_task") return sections.find(({ section }) => section === step.section)?.text ?? "";
  const last = tasks.find(({ key }) => key === step.key)?.last ?? null;
  return last === null ? "it never ran" : `last run: ${last.status} at ${last.endedAt}`;
}

function skippedOf(server: string, { what, rule, observed }: JellyfinPlan["skipped"][number]): Skipped {
  return { cache: `${server}/${what}`, entry: null, name: what, rule, observed: printable(observed) };
}

function blockedOf(server: string, block: JellyfinBlock, isOneOfSeveral: boolean): Blocked {
  const { guard, section, observed, threshold, message, advice } = block;
  return {
    guard,
    path: section === null ? server : `${server}/${section}`,
    observed: typeof observed === "string" ? printable(observed) : observed,
    ...(threshold === undefined ? {} : { threshold }),
    message,
    advice: isOneOfSeveral
      ? `${advice} Until then, plan what is in order by itself: name its server, sections or tasks.`
      : advice,
    override: OVERRIDABLE.find((name) => name === guard) ?? null,
  };
}
