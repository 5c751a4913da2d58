/** The core's face to the other packages: operations, what runs them, and how results are shown. */
export { MediaboxCache } from "./caches/directory/schema.ts";
export { Configuration } from "./config.ts";
export type { Bounds, Context, Progress } from "./context.ts";
export { CacheOpsError, systemError, type ErrorCode } from "./errors.ts";
export { invoke, type Effect, type Operation, type Outcome } from "./operation.ts";
export { operations } from "./operations.ts";
export { Plan } from "./plan.ts";
export { rootsOf } from "./passport.ts";
export { printable, printableJson } from "./printable.ts";
export { Report } from "./report.ts";
export { openState, type State } from "./state.ts";
export { latestRuns, loadRun } from "./journal.ts";
export { loadPlan } from "./plans.ts";
export { assertConfined, isConfined } from "./library.ts";
export { parse } from "./validate.ts";
export type { Table, View } from "./view.ts";
