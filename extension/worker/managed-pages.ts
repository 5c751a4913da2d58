import {
  CacheOpsError,
  listManaged,
  surveyManaged,
  surveyQuarantine,
  type Configuration,
  type Context,
} from "@cache-ops/shared";

import type { ManagedFigures, ManagedPage, QuarantinedRow } from "../protocol.ts";

type Cache = Configuration["managed"][number];

/** A managed cache with some of its directories. Throws what stands in the way: its root or its register. */
export async function managedPage(
  { cache: name, ...page }: { readonly cache: string; readonly offset: number; readonly limit: number },
  context: Context,
): Promise<ManagedPage> {
  const cache = named(name, context);
  const { survey, listing } = await listManaged(cache, page, context);
  return { figures: { cache, ...survey }, total: survey.totals.directories, ...listing };
}

/** What lies in the quarantine of a managed cache. */
export async function quarantinedIn(name: string, context: Context): Promise<readonly QuarantinedRow[]> {
  return surveyQuarantine(named(name, context), context);
}

/** The figures of every managed cache, or why it cannot be looked at. */
export async function managedFigures(
  context: Context,
): Promise<readonly (ManagedFigures | { readonly cache: Cache; readonly trouble: string })[]> {
  const all: (ManagedFigures | { cache: Cache; trouble: string })[] = [];
  for (const cache of context.configuration.managed) {
    try {
      all.push({ cache, ...(await surveyManaged(cache, context)) });
    } catch (error) {
      if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
      all.push({ cache, trouble: error.message });
    }
  }
  return all;
}

function named(name: string, { configuration }: Context): Cache {
  const cache = configuration.managed.find((known) => known.name === name);
  if (cache !== undefined) return cache;
  throw new CacheOpsError("not_found", `there is no managed cache ${name} any more`, {
    hint: "Refresh the view: the settings changed.",
  });
}
