import type { Row } from "./row.ts";
import { corpora } from "./rows/corpora.ts";
import { errors } from "./rows/errors.ts";
import { fuzz } from "./rows/fuzz.ts";
import { kill } from "./rows/kill.ts";
import { lock } from "./rows/lock.ts";
import { mounts } from "./rows/mounts.ts";
import { power } from "./rows/power.ts";
import { presence } from "./rows/presence.ts";
import { roundTrip } from "./rows/round-trip.ts";
import { service } from "./rows/service.ts";
import { short } from "./rows/short.ts";
import { http } from "./rows/suites.ts";
import { swap } from "./rows/swap.ts";
import { writers } from "./rows/writers.ts";
import { wire } from "./rows/wire.ts";

/** What the long run goes through, in the order of docs/reliability.md. */
export const rows: readonly Row[] = [
  kill,
  power,
  errors,
  short,
  lock,
  writers,
  mounts,
  presence,
  roundTrip,
  swap,
  corpora,
  fuzz,
  wire,
  http,
  service,
];
