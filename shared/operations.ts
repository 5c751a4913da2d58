import type { Operation } from "./operation.ts";
import { apply } from "./operations/apply.ts";
import { backup } from "./operations/backup.ts";
import { check } from "./operations/check.ts";
import { clear } from "./operations/clear.ts";
import { cleanup } from "./operations/cleanup.ts";
import { directories } from "./operations/directories.ts";
import { doctor } from "./operations/doctor.ts";
import { empty } from "./operations/empty.ts";
import { engines } from "./operations/engines.ts";
import { evict } from "./operations/evict.ts";
import { forget } from "./operations/forget.ts";
import { history } from "./operations/history.ts";
import { importOperation } from "./operations/import.ts";
import { info } from "./operations/info.ts";
import { invalidate } from "./operations/invalidate.ts";
import { jellyfin } from "./operations/jellyfin.ts";
import { list } from "./operations/list.ts";
import { pin } from "./operations/pin.ts";
import { probe } from "./operations/probe.ts";
import { reconcile } from "./operations/reconcile.ts";
import { record } from "./operations/record.ts";
import { register } from "./operations/register.ts";
import { repair } from "./operations/repair.ts";
import { restore } from "./operations/restore.ts";
import { scan } from "./operations/scan.ts";
import { schedule } from "./operations/schedule.ts";
import { stats } from "./operations/stats.ts";
import { touch } from "./operations/touch.ts";
import { undo } from "./operations/undo.ts";
import { warm } from "./operations/warm.ts";

/** Everything the product can do, in the order of its documentation. What is not in this list exists on no face. */
export const operations: readonly Operation[] = [
  list,
  stats,
  check,
  probe,
  scan,
  importOperation,
  cleanup,
  directories,
  info,
  register,
  touch,
  pin,
  forget,
  reconcile,
  evict,
  warm,
  engines,
  empty,
  jellyfin,
  clear,
  repair,
  apply,
  undo,
  history,
  backup,
  restore,
  record,
  invalidate,
  schedule,
  doctor,
];
