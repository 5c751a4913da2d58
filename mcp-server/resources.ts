import {
  assertConfined,
  CacheOpsError,
  isConfined,
  latestRuns,
  loadPlan,
  loadRun,
  printable,
  printableJson,
  rootsOf,
  type Context,
} from "@cache-ops/shared";

import { ProtocolError, ResourceTemplate, type McpServer } from "@modelcontextprotocol/server";

import type { Settings } from "./settings.ts";

const INVALID_PARAMS = -32602;

/** Whole plans and reports, for hosts that want more than a tool's answer carries. */
export function registerResources(server: McpServer, settings: Settings): void {
  const quiet = () => settings.contextFor(new AbortController().signal);
  server.registerResource(
    "libraries",
    "cache://libraries",
    { title: "Libraries", description: "The libraries this server looks after.", mimeType: "application/json" },
    (uri) => json(uri, quiet().configuration.libraries),
  );
  server.registerResource(
    "plan",
    new ResourceTemplate("cache://plan/{id}", { list: undefined, complete: { id: completePlan } }),
    { title: "Plan", description: "A whole plan: every change, reason and action.", mimeType: "application/json" },
    async (uri, { id }) =>
      found(async () => {
        const context = quiet();
        const { plan } = loadPlan(context.state(), String(id));
        await assertConfined(rootsOf(plan.passports), context);
        return json(uri, plan);
      }),
  );
  server.registerResource(
    "run",
    new ResourceTemplate("cache://run/{id}", { list: undefined, complete: { id: completeRun } }),
    { title: "Report", description: "The whole report of a run: every outcome.", mimeType: "application/json" },
    async (uri, { id }) =>
      found(async () => {
        const context = quiet();
        const run = loadRun(context.state(), String(id));
        await assertConfined(rootsOf(run.work.passports), context);
        return json(uri, run.report ?? { run: run.id, status: run.state });
      }),
  );

  async function completeRun(value: string): Promise<string[]> {
    return (await runsInside(quiet())).flatMap(({ id }) => (id.startsWith(value) ? [id] : []));
  }
  async function completePlan(value: string): Promise<string[]> {
    return (await runsInside(quiet())).flatMap(({ plan }) => (plan?.startsWith(value) === true ? [plan] : []));
  }
}

/** The latest runs about the libraries this caller may see. */
async function runsInside(context: Context): Promise<ReturnType<typeof latestRuns>> {
  const inside = [];
  for (const run of latestRuns(context.state(), 100)) {
    if (await isConfined(rootsOf(run.work.passports), context)) inside.push(run);
  }
  return inside;
}

function json(uri: URL, value: unknown) {
  return { contents: [{ uri: uri.href, mimeType: "application/json", text: printableJson(JSON.stringify(value)) }] };
}

/** What is not there, or not for this caller, is a protocol error, as the protocol wants it for resources. */
async function found<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CacheOpsError)
      throw new ProtocolError(INVALID_PARAMS, printable(error.message.slice(0, 1000)));
    throw error;
  }
}
