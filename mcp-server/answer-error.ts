import { printable, type CacheOpsError, type ErrorCode, type Operation, type Outcome } from "@cache-ops/shared";

import type { CallToolResult } from "@modelcontextprotocol/server";

const NEXT_STEPS: Readonly<Record<ErrorCode, string>> = {
  invalid_input: "Correct the arguments and call again.",
  not_found: "Call history or list to see what there is.",
  locked: "Wait some seconds, then call again with the same arguments.",
  stale_plan: "Call the tool that made it again for a new plan, and review it.",
  expired_plan: "Call the tool that made it again for a new plan, and review it.",
  corrupt: "Call repair for a plan that saves what can be read.",
  unavailable: "Call doctor to see what is wrong, and tell the person.",
  blocked: "Tell the person the cause and the advice. Only they can pass over a guard.",
  forbidden: "Stay within the libraries and limits the operator set.",
  interrupted: "Call history to see what was done.",
  internal: "Tell the person: this is a bug.",
};

/** Where a tool works on runs or archives, not on plans, another step is next. */
const AFTER: Readonly<Record<string, Partial<Record<ErrorCode, string>>>> = {
  undo: {
    stale_plan: "Call history for this run to see what was put back; what changed since stays as it is now.",
    expired_plan: "Call history to see which runs can still be undone, and tell the person.",
    not_found: "Call history to see the runs there are.",
  },
  evict: {
    not_found: "Call directories to see what is registered.",
    forbidden: "Tell the person: it is pinned, or lies outside of the managed caches.",
  },
  empty: { not_found: "Call engines to see what there is." },
  clear: { not_found: "Call jellyfin to see what there is." },
  backup: { not_found: "Call list to see what there is to back up." },
  restore: {
    corrupt: "Tell the person: this archive is damaged, and nothing of it was restored.",
    not_found: "Ask the person for the name of the archive.",
  },
};

/** Longest message or hint: whatever was asked, it does not come back whole. */
const MAX_TEXT = 1000;

/** An error as an agent can act upon it, by the tool it asked. Names in it are data, made printable. */
export function answerError({ code, message, hint }: CacheOpsError, tool?: string): CallToolResult {
  const nextStep = nextStepFor(code, tool);
  const error = { code, message: clean(message), hint: clean(hint ?? nextStep), nextStep };
  return { content: [{ type: "text", text: JSON.stringify(error) }], isError: true };
}

/** What to do after a result that is not all in order; `undefined` when it is. */
export function nextStepAfter(operation: Operation, output: Readonly<Record<string, unknown>>) {
  const { name } = operation;
  const taken: Outcome = operation.outcome(output);
  if (taken === "ok" || taken === "stale") return undefined;
  if (taken === "partial" && name === "backup")
    return "See errors for what is not in the archive, and tell the person.";
  if (taken === "partial" && "errors" in output)
    return "See errors for what could not be looked at, and tell the person.";
  return taken === "partial"
    ? `See refused for the causes. ${nextStepFor("stale_plan", name)}`
    : nextStepFor(taken, name);
}

function nextStepFor(code: ErrorCode, tool: string | undefined): string {
  return AFTER[tool ?? ""]?.[code] ?? NEXT_STEPS[code];
}

function clean(text: string): string {
  const shown = printable(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);
  return shown.length > 2 * MAX_TEXT ? `${shown.slice(0, 2 * MAX_TEXT)}…` : shown;
}
