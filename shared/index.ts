/** The core's face to the other packages: operations, what runs them, and how results are shown. */
export { MediaboxCache } from "./caches/directory/schema.ts";
export { cacheHomeIn } from "./caches/probe/media-audit/places.ts";
export { inspectCache, type Inspection, type InspectedEntry } from "./caches/directory/inspect.ts";
export { AGE_CLASSES, gatherStatistics, type Statistics } from "./caches/directory/statistics.ts";
export { getOrProbe } from "./caches/probe/get-or-probe.ts";
export { openProbeCache } from "./caches/probe/open.ts";
export type { ProbeCache } from "./caches/probe/probe-cache.ts";
export { Configuration, readConfiguration } from "./config.ts";
export type { Bounds, Context, Progress } from "./context.ts";
export { CacheOpsError, systemError, type ErrorCode } from "./errors.ts";
export { countByProblem, isStale, PROBLEMS, STALE, type ByProblem, type Finding, type Problem } from "./finding.ts";
export { invoke, type Effect, type Operation, type Outcome } from "./operation.ts";
export { operations } from "./operations.ts";
export { Detail } from "./operations/input.ts";
export { Plan, type Change } from "./plan.ts";
export type { Description } from "./caches/probe/describe.ts";
export { tryProbeStatistics } from "./caches/probe/statistics.ts";
export { isInside } from "./anchor.ts";
export { previewFile } from "./preview.ts";
export { rootsOf } from "./passport.ts";
export { printable, printableJson } from "./printable.ts";
export { Report } from "./report.ts";
export { openState, type State } from "./state.ts";
export { latestRuns, loadRun, type Run } from "./journal.ts";
export { loadPlan, type StoredPlan } from "./plans.ts";
export { applySentence } from "./sentence.ts";
export { assertConfined, isConfined } from "./library.ts";
export { secretFrom } from "./secret.ts";
export {
  findProbeCaches,
  survey,
  surveyAgain,
  surveyMediaAudit,
  type MediaAuditSurvey,
  type ProbeCaches,
  type Survey,
} from "./survey.ts";
export { withTimeLimit } from "./time-limit.ts";
export { formatBytes, formatSeconds, parseDuration } from "./units.ts";
export { parse } from "./validate.ts";
export type { Table, View } from "./view.ts";
