import type { Operation } from "./operation.ts";
import { apply } from "./operations/apply.ts";
import { backup } from "./operations/backup.ts";
import { check } from "./operations/check.ts";
import { cleanup } from "./operations/cleanup.ts";
import { doctor } from "./operations/doctor.ts";
import { history } from "./operations/history.ts";
import { importOperation } from "./operations/import.ts";
import { invalidate } from "./operations/invalidate.ts";
import { list } from "./operations/list.ts";
import { probe } from "./operations/probe.ts";
import { record } from "./operations/record.ts";
import { repair } from "./operations/repair.ts";
import { restore } from "./operations/restore.ts";
import { scan } from "./operations/scan.ts";
import { stats } from "./operations/stats.ts";
import { undo } from "./operations/undo.ts";

/** Everything the product can do, in the order of its documentation. What is not in this list exists on no face. */
export const operations: readonly Operation[] = [
  list,
  stats,
  check,
  probe,
  scan,
  importOperation,
  cleanup,
  repair,
  apply,
  undo,
  history,
  backup,
  restore,
  record,
  invalidate,
  doctor,
];
