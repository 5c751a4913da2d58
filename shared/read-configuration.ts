import { readUnscheduled, type Configuration } from "./config.ts";
import { assertSchedules } from "./schedulable.ts";

/** What `loadConfiguration` does, at once: for programs that have all operations loaded anyway. */
export function readConfiguration(file: string, mustExist: boolean): Configuration {
  const configuration = readUnscheduled(file, mustExist);
  assertSchedules(configuration.schedules, configuration.cluster);
  return configuration;
}
