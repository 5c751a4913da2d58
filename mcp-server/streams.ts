import { CacheOpsError, isEnded, openOrchestrator, type Context } from "@cache-ops/shared";

/**
 * How many streams play, by all orchestrators that the configuration names, each asked once; or in a few words why that
 * is not known: there is none, or one of them does not say.
 */
export async function countStreams(context: Context): Promise<number | string> {
  const named = context.configuration.engines.flatMap(({ orchestrator }) => orchestrator ?? []);
  const orchestrators = new Map(named.map((one) => [`${one.url} ${one.apiBase ?? ""}`, one]));
  if (orchestrators.size === 0) return "nothing here can tell whether streams are active";
  try {
    const views = await Promise.all([...orchestrators.values()].map((one) => openOrchestrator(one, context).look()));
    return views.reduce((sum, { streams }) => sum + streams.filter((stream) => !isEnded(stream)).length, 0);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return `whether streams are active is not known: ${error.message}`;
  }
}
