import type { Operation } from "./operation.ts";
import { apply } from "./operations/apply.ts";
import { check } from "./operations/check.ts";
import { cleanup } from "./operations/cleanup.ts";
import { doctor } from "./operations/doctor.ts";
import { history } from "./operations/history.ts";
import { list } from "./operations/list.ts";
import { record } from "./operations/record.ts";
import { repair } from "./operations/repair.ts";
import { scan } from "./operations/scan.ts";
import { stats } from "./operations/stats.ts";
import { undo } from "./operations/undo.ts";

/** Everything the product can do, in the order of its documentation. What is not in this list exists on no face. */
export const operations: readonly Operation[] = [
  list,
  stats,
  check,
  scan,
  cleanup,
  repair,
  apply,
  undo,
  history,
  record,
  doctor,
];
