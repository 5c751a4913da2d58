/** The core's face to the other packages: operations, what runs them, and how results are shown. */
export { MediaboxCache } from "./caches/directory/schema.ts";
export { cacheHomeIn } from "./caches/probe/media-audit/places.ts";
export { inspectCache, type Inspection, type InspectedEntry } from "./caches/directory/inspect.ts";
export { AGE_CLASSES, gatherStatistics, type Statistics } from "./caches/directory/statistics.ts";
export { getOrProbe } from "./caches/probe/get-or-probe.ts";
export { daysUntilFull, type UsageSample } from "./caches/managed/forecast.ts";
export { managedFigures, type ManagedFigures } from "./caches/managed/figures.ts";
export {
  listManaged,
  surveyManaged,
  surveyQuarantine,
  type ManagedListing,
  type ManagedSurvey,
  type QuarantinedRow,
} from "./caches/managed/survey.ts";
export { openUsageHistory, type UsageHistory } from "./caches/managed/usage-history.ts";
export { openProbeCache } from "./caches/probe/open.ts";
export type { ProbeCache } from "./caches/probe/probe-cache.ts";
export { watchManaged, type Watching, type WatchEvent } from "./caches/managed/watch.ts";
export { Configuration } from "./config.ts";
export type { Bounds, Context, Progress } from "./context.ts";
export { CacheOpsError, systemError, type ErrorCode } from "./errors.ts";
export { runOfPlan, runsEndedSince, type EndedRun } from "./ended-runs.ts";
export { ByProblem, countByProblem, Finding, isStale, PROBLEMS, STALE, Trouble, type Problem } from "./finding.ts";
export { invoke, type Effect, type Operation, type Outcome } from "./operation.ts";
export { operations } from "./operations.ts";
export { engines, type EngineCacheRow } from "./operations/engines.ts";
export { Detail } from "./operations/input.ts";
export { jellyfin, type JellyfinRow } from "./operations/jellyfin.ts";
export { Change } from "./change.ts";
export { isRemoteAction, Plan } from "./plan.ts";
export type { Description } from "./caches/probe/describe.ts";
export { tryProbeStatistics } from "./caches/probe/statistics.ts";
export { isInside } from "./anchor.ts";
export { previewFile } from "./preview.ts";
export { rootsOf } from "./passport.ts";
export { PlanSummary } from "./plan-summary.ts";
export { printable, printableJson } from "./printable.ts";
export { readConfiguration } from "./read-configuration.ts";
export { Report } from "./report.ts";
export { ReportSummary } from "./report-view.ts";
export { openState, type State } from "./state.ts";
export { latestRuns, loadRun, type Run } from "./journal.ts";
export { loadPlan, type StoredPlan } from "./plans.ts";
export { applySentence } from "./sentence.ts";
export { assertConfined, isConfined } from "./library.ts";
export type { Notice, Webhook } from "./service-settings.ts";
export { ClusterStatus, type ClusterJob } from "./cluster-status.ts";
export { runNow, type RunParts } from "./schedule-now.ts";
export { outcomeOf, runScheduled, type CarryOut, type ScheduleOutcome } from "./schedule-run.ts";
export { countInUse } from "./in-use.ts";
export { divideWork, type WorkPart } from "./library-parts.ts";
export {
  changeDoing,
  claimScheduler,
  memoryOf,
  recordRun,
  releaseScheduler,
  rememberCluster,
  rememberDue,
  setPaused,
} from "./schedule-store.ts";
export { assertManaged } from "./caches/managed/settings.ts";
export { assertSchedules } from "./schedulable.ts";
export { decide } from "./schedule.ts";
export type { OnlyWhenIdle, Schedule } from "./schedule-settings.ts";
export { linkRedis, makeRedisClient, type RedisLink } from "./redis-link.ts";
export { objectStorageKeysFrom } from "./object-storage-keys.ts";
export { assertEngines, type EngineCache } from "./caches/engine/settings.ts";
export { openOrchestrator } from "./caches/engine/orchestrator-client.ts";
export { watchOrchestrator } from "./caches/engine/idle-watch.ts";
export { isEnded } from "./caches/engine/idle.ts";
export { playedOn } from "./caches/engine/played-on.ts";
export type { OrchestratedStream } from "./caches/engine/orchestrator.ts";
export { assertJellyfin, jellyfinTokenFrom, tokenVariable } from "./caches/jellyfin/settings.ts";
export { orchestratorKeyFrom } from "./caches/engine/orchestrator-key.ts";
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
export type { DirectoryNews, RootFigures } from "./live-survey.ts";
export { watchLibraries, type LibraryEvent, type LibraryWatch, type WatchStatus } from "./watch-libraries.ts";
export { answerWithin, countHanging, withTimeLimit } from "./time-limit.ts";
export { formatBytes, formatSeconds, parseDuration } from "./units.ts";
export { parse } from "./validate.ts";
export type { Table, View } from "./view.ts";
