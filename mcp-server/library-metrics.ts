import { PROBLEMS } from "@cache-ops/shared";

import { Gauge, type Registry } from "prom-client";

import type { LibraryNews } from "./library-watch.ts";

/** Gauges of libraries that are watched. There are none while nothing is watched. */
export function libraryMetrics({ state }: Pick<LibraryNews, "state">, registers: Registry[]): { set(): void } {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `cacheops_${name}`, help, labelNames, registers });
  const watched = gauge("watched_directories", "Directories of libraries that the system tells changes of.");
  const unwatched = gauge("unwatched_directories", "Directories of libraries that cannot be watched.");
  const looked = gauge("libraries_looked_at_seconds", "When all libraries were looked at last, in seconds since 1970.");
  const up = gauge("library_up", "Whether all roots of a library are in order.", ["library"]);
  const caches = gauge("library_caches", "Caches in a library.", ["library"]);
  const entries = gauge("library_entries", "Entries in the caches of a library.", ["library"]);
  const findings = gauge("library_findings", "Entries with a problem.", ["library", "problem"]);
  return {
    set: () => {
      // Reset, one without labels would say 0 where nothing is known.
      for (const metric of [watched, unwatched, looked]) metric.remove();
      for (const metric of [up, caches, entries, findings]) metric.reset();
      const now = state();
      if (now === undefined || now.lookedAt === null) return;
      watched.set(now.directories - now.unwatched);
      unwatched.set(now.unwatched);
      looked.set(now.lookedAt / 1000);
      const libraries = Map.groupBy(now.roots, ({ library }) => library);
      for (const [library, roots] of libraries) {
        up.set({ library }, roots.every(({ state }) => state === "healthy") ? 1 : 0);
        for (const root of roots) {
          caches.inc({ library }, root.caches);
          entries.inc({ library }, root.entries);
          for (const problem of PROBLEMS) findings.inc({ library, problem }, root.byProblem[problem] ?? 0);
        }
      }
    },
  };
}
