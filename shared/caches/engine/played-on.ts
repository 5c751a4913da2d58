import type { Context } from "../../context.ts";
import { namesContainer } from "./idle.ts";
import { openEngine } from "./look.ts";
import type { OrchestratedStream } from "./orchestrator.ts";
import type { EngineCache } from "./settings.ts";

/**
 * The ids of those containers of an engine cache on which these streams played, by whatever the orchestrator calls
 * them. Throws as {@link openEngine} does.
 */
export async function playedOn(
  { containers, socket }: EngineCache,
  streams: readonly OrchestratedStream[],
  context: Pick<Context, "configuration" | "signal">,
): Promise<readonly string[]> {
  const listed = await (await openEngine(socket, context)).list(containers);
  return listed.filter((each) => streams.some((stream) => namesContainer(stream, each))).map(({ id }) => id);
}
