import type { McpServer } from "@modelcontextprotocol/server";

import { lateSchema } from "./late-schema.ts";
import type { Settings } from "./settings.ts";

/** Ready-made requests a person can pick. Their texts name tools and libraries, never media. */
export function registerPrompts(server: McpServer, { contextFor }: Settings): void {
  const names = () => contextFor(new AbortController().signal).configuration.libraries.map(({ name }) => name);
  const which = (library: unknown) =>
    typeof library === "string" && names().includes(library) ? `library ${library}` : "all libraries";
  const library = lateSchema<{ readonly library?: string }>({
    type: "object",
    properties: { library: { type: "string", description: "Name of a library. Default: all." } },
  });
  server.registerPrompt(
    "weekly_maintenance",
    {
      title: "Weekly maintenance",
      description: "Check the caches, show what is stale, clean up after a yes, report what was done.",
      argsSchema: library,
    },
    (args) =>
      ask(
        `Do the weekly maintenance of ${which(args.library)}. Call doctor and check. Tell me in a few lines what is stale and why. If anything is, call cleanup and show me the sentence in acknowledge. Only after my yes call apply with it. Then call check again and report what was done and how to undo it.`,
      ),
  );
  server.registerPrompt(
    "disk_is_full",
    {
      title: "The disk is full",
      description: "Find out what caches hold and what could go at once.",
      argsSchema: library,
    },
    (args) =>
      ask(
        `The disk of ${which(args.library)} is full. Call stats and list to see how large the caches are, then cleanup to see what could be freed. Tell me honestly how much that is; caches are small beside media. Change nothing without my yes.`,
      ),
  );
  server.registerPrompt(
    "what_changed_since",
    {
      title: "What changed since …",
      description: "Report the runs since a day: what they did, what they refused, what can be undone.",
      argsSchema: lateSchema<{ readonly since: string }>({
        type: "object",
        properties: { since: { type: "string", description: "A day, such as 2026-11-01." } },
        required: ["since"],
      }),
    },
    ({ since }) =>
      ask(
        `What was changed in the caches since ${/^[0-9-]{4,10}$/.test(since) ? since : "last week"}? Call history, and again with the id of each run that is not complete. Say what was done, what was refused and why, and what can still be undone and until when.`,
      ),
  );
}

function ask(text: string) {
  return { messages: [{ role: "user" as const, content: { type: "text" as const, text } }] };
}
