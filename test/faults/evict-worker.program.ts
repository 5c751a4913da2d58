import { invoke, operations } from "../../shared/index.ts";
import { makeWorkerContext } from "./worker-context.ts";

/*
 * A host that evicts: `evict-worker STATE_DIRECTORY CONFIG_FILE REDIS_URL`. It plans and applies, three
 * directories at a time, until nothing is left that may go, and prints a line for each directory it moved.
 */

const [stateDirectory = "", configFile = "", redisUrl = ""] = process.argv.slice(2);
const context = makeWorkerContext(stateDirectory, configFile, redisUrl);

async function run(name: string, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const operation = operations.find((candidate) => candidate.name === name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  return invoke(operation, input, context);
}

interface Line {
  readonly change: { readonly entry: string };
  readonly outcome: string;
}

async function applyPlan(plan: string): Promise<void> {
  const report = await run("apply", { plan, detail: "full" });
  for (const { change, outcome } of report["outcomes"] as Line[]) {
    process.stdout.write(`${JSON.stringify({ entry: change.entry, outcome })}\n`);
  }
}

// What an earlier life of this host left unfinished is finished first.
const { runs } = (await run("history", {})) as { runs: { plan: string | null; status: string }[] };
for (const { plan, status } of runs) {
  if (plan !== null && (status === "running" || status === "interrupted")) await applyPlan(plan);
}
for (;;) {
  const made = await run("evict", { bytes: 3000, allow: ["in_use"] });
  if (made["status"] !== "ready") break;
  await applyPlan(String(made["plan"]));
}
context.state().close();
