import { acceptedContent, fromJsonSchema, inputRequired, type ServerContext } from "@modelcontextprotocol/server";

import { CacheOpsError, type Operation } from "@cache-ops/shared";

const YES = fromJsonSchema<{ readonly confirm: boolean }>({
  type: "object",
  properties: { confirm: { type: "boolean", title: "Do it", description: "Carry this out now." } },
  required: ["confirm"],
});

/** Whether the person said yes. Throws `forbidden` when they were asked and did not. */
export function confirmed({ mcpReq }: ServerContext): boolean {
  if (mcpReq.inputResponses === undefined) return false;
  if (acceptedContent(mcpReq.inputResponses, "confirm", YES)?.confirm === true) return true;
  throw new CacheOpsError("forbidden", "the person did not agree", {
    hint: "Nothing was changed. Ask them what they want.",
  });
}

/** The question to the person: the sentence that says what will happen, as the agent gave it. */
export function question({ title }: Operation, input: unknown) {
  const sentence =
    typeof input === "object" && input !== null && "acknowledge" in input && typeof input.acknowledge === "string"
      ? input.acknowledge
      : JSON.stringify(input);
  return inputRequired({
    inputRequests: {
      confirm: inputRequired.elicit({ message: `${title}: ${sentence.slice(0, 500)}?`, requestedSchema: YES_FORM }),
    },
  });
}

const YES_FORM = {
  type: "object" as const,
  properties: { confirm: { type: "boolean" as const, title: "Do it", description: "Carry this out now." } },
  required: ["confirm"],
};
