import {
  CacheOpsError,
  findProbeCaches,
  gatherStatistics,
  inspectCache,
  invoke,
  loadRun,
  operations,
  parse,
  previewFile,
  survey,
  surveyAgain,
  surveyMediaAudit,
  tryProbeStatistics,
  type Context,
  type Operation,
} from "@cache-ops/shared";

import type { Requests, Result } from "../protocol.ts";
import { dashboardOf, type DashboardSources } from "./dashboard.ts";
import type { Desk } from "./desk.ts";
import { managedFigures, managedPage, quarantinedIn } from "./managed-pages.ts";
import { mediaAuditPage } from "./media-audit-pages.ts";
import { changesOf, directoriesOf, filesOf, overviewOf } from "./plan-pages.ts";
import { probedMediaOf, type ProbeOutput } from "./probed-media.ts";
import { directoryRow, directoryRows, summaryOf } from "./survey-pages.ts";

type Handlers = {
  readonly [K in Exclude<keyof Requests, "configure">]: (
    params: Requests[K][0],
    context: Context,
    desk: Desk,
  ) => Promise<Requests[K][1]>;
};

/** The most runs that `history` lists at once. */
const MOST_RUNS = 1000;

/** What the worker answers, by the name of the request. */
export const handlers: Handlers = {
  places: async (_params, _context, desk) => desk.places(),

  async invoke({ operation: name, input }, context) {
    const operation = named(name);
    return resultOf(operation, await invoke(operation, input, context));
  },

  async validate({ operation: name, property, value }) {
    const schema = named(name).input.properties[property];
    if (schema === undefined) return `there is no ${property}`;
    try {
      parse(schema, value, property);
      return null;
    } catch (error) {
      if (error instanceof CacheOpsError) return error.message;
      throw error;
    }
  },

  async survey({ refresh }, context, desk) {
    if (refresh || desk.survey === undefined) desk.survey = { at: context.now(), seen: await survey(context) };
    return summaryOf(desk.survey);
  },

  async resurvey({ directories }, context, desk) {
    const known = desk.survey;
    const seen = known === undefined ? await survey(context) : await surveyAgain(known.seen, directories, context);
    desk.survey = { at: known?.at ?? context.now(), seen };
    return summaryOf(desk.survey);
  },

  async directories(params, context, desk) {
    // The editor remembers a look that this process, or these settings, know nothing of.
    desk.survey ??= { at: context.now(), seen: await survey(context) };
    return directoryRows(desk.survey.seen, params);
  },

  directory: async ({ directory }, _context, desk) => directoryRow(desk.survey?.seen, directory),

  probeCaches: async (_params, context) => findProbeCaches(context),

  async mediaAudit({ place, refresh, ...page }, context, desk) {
    const known = refresh ? undefined : desk.mediaAudit.get(place);
    const seen = known ?? (await surveyMediaAudit(place, context));
    desk.mediaAudit.set(place, seen);
    return mediaAuditPage(seen, page);
  },

  async probeCache(_params, context) {
    const { figures, troubles } = tryProbeStatistics(context);
    const [trouble] = troubles;
    if (trouble !== undefined) return { trouble: trouble.message };
    if (figures === undefined) return null;
    const { entries, failedEntries, bytes, requests, hitRate, probes, failures, byOrigin } = figures;
    return { entries, failedEntries, bytes, requests, hitRate, probes, failures, byOrigin };
  },

  async probedMedia({ path }, context) {
    try {
      const output = await invoke(named("probe"), { paths: [path], detail: "full" }, context);
      return probedMediaOf(output as unknown as ProbeOutput);
    } catch (error) {
      if (error instanceof CacheOpsError && error.code === "not_found") return null;
      throw error;
    }
  },

  managed: async (params, context) => managedPage(params, context),

  quarantined: async ({ cache }, context) => quarantinedIn(cache, context),

  inspect: async ({ cache, text }, context) => inspectCache(cache, text, context),

  plan: async ({ plan, offset, limit }, context, desk) =>
    overviewOf(desk.plan(plan, context), { offset, limit }, context),

  changes: async ({ plan, ids }, context, desk) => changesOf(desk.plan(plan, context).plan, ids),

  files: async ({ plan, limit, change }, context, desk) => filesOf(desk.plan(plan, context).plan, limit, change),

  async preview({ plan, file, side }, context, desk) {
    const preview = await previewFile(desk.plan(plan, context).plan, file, context);
    const bytes = preview[side];
    // Those of media-audit are no text, and go as a whole.
    if (bytes !== null && file.endsWith(".pkl")) return `Pickle of ${bytes.length} bytes\n`;
    return bytes?.toString("utf8") ?? null;
  },

  affected: async ({ run }, context) => directoriesOf(loadRun(context.state(), run)),

  async dashboard(_params, context, desk) {
    desk.survey ??= { at: context.now(), seen: await survey(context) };
    const known = desk.survey;
    // What `stats` says, of the look that the tree shows as well.
    const wishes = { forceStereo: false, downgradeResolution: false };
    const hasLooked = known.seen.roots.some(({ state }) => state === "healthy");
    const stats = hasLooked ? await gatherStatistics(known.seen.scan.caches, wishes, context) : null;
    const { figures } = tryProbeStatistics(context);
    const probe = figures && {
      entries: figures.entries,
      bytes: figures.bytes,
      requests: figures.requests,
      hitRate: figures.hitRate,
    };
    const { runs } = (await invoke(named("history"), { limit: MOST_RUNS }, context)) as Pick<DashboardSources, "runs">;
    const managed = await managedFigures(context);
    return dashboardOf({ survey: known, stats, probe, managed, runs, mostRuns: MOST_RUNS }, context);
  },
};

function named(name: string): Operation {
  const operation = operations.find((candidate) => candidate.name === name);
  if (operation !== undefined) return operation;
  throw new CacheOpsError("invalid_input", `there is no operation ${name}`, {
    hint: `Known: ${operations.map((known) => known.name).join(", ")}.`,
  });
}

function resultOf(operation: Operation, output: Record<string, unknown>): Result {
  return { output, outcome: operation.outcome(output), view: operation.view(output) };
}
