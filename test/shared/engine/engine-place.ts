import type { EngineContainer } from "../../../shared/caches/engine/idle.ts";
import {
  openOrchestrator,
  type OrchestratorClient,
  type OrchestratorContext,
} from "../../../shared/caches/engine/orchestrator-client.ts";
import type { Orchestrator } from "../../../shared/caches/engine/settings.ts";
import type { StandIn } from "../../support/orchestrator.ts";

/** Ids as Docker gives them. */
export const OURS = "a1".repeat(32);
export const OTHER = "b2".repeat(32);
export const STRANGER = "c3".repeat(32);

/** The container in question. */
export const CONTAINER: EngineContainer = {
  id: OURS,
  name: "engine-a1a1",
  labels: { "ondemand.app": "myservice", "host.http_port": "19001", "acestream.http_port": "6878" },
};

/** A client of a stand-in. */
export function clientOf(
  { url }: Pick<StandIn, "url">,
  context: Partial<OrchestratorContext> = {},
  settings: Partial<Orchestrator> = {},
): OrchestratorClient {
  return openOrchestrator(
    { url, timeLimit: "5s", ...settings },
    { now: () => Date.now(), signal: new AbortController().signal, ...context },
  );
}
