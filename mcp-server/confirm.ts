import { createHash, randomBytes } from "node:crypto";

import {
  acceptedContent,
  createRequestStateCodec,
  inputRequired,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";

import { CacheOpsError, printable, type Operation } from "@cache-ops/shared";

import { lateSchema } from "./late-schema.ts";

const YES = lateSchema<{ readonly confirm: boolean }>({
  type: "object",
  properties: { confirm: { type: "boolean", title: "Do it", description: "Carry this out now." } },
  required: ["confirm"],
});

/** Seals what a person was asked into the state that comes back with their answer. */
export type Questions = RequestStateCodec<{ readonly asked: string }>;

/** Questions of one server process; an answer counts for ten minutes. */
export function makeQuestions(): Questions {
  return createRequestStateCodec({ key: randomBytes(32), ttlSeconds: 600 });
}

/**
 * Whether the person said yes to this very call: an answer without our sealed question, or to another one, is none.
 * Throws `forbidden` when they were asked and did not agree.
 */
export function confirmed({ mcpReq }: ServerContext, operation: Operation, input: unknown): boolean {
  const state = mcpReq.requestState<{ readonly asked: string }>();
  if (mcpReq.inputResponses === undefined || state?.asked !== askedOf(operation, input)) return false;
  if (acceptedContent(mcpReq.inputResponses, "confirm", YES)?.confirm === true) return true;
  throw new CacheOpsError("forbidden", "the person did not agree", {
    hint: "Nothing was changed. Ask them what they want.",
  });
}

/** The question to the person: the sentence that says what will happen, as the agent gave it. */
export async function question(operation: Operation, input: unknown, questions: Questions) {
  const sentence =
    typeof input === "object" && input !== null && "acknowledge" in input && typeof input.acknowledge === "string"
      ? input.acknowledge
      : JSON.stringify(input);
  return inputRequired({
    requestState: await questions.mint({ asked: askedOf(operation, input) }),
    inputRequests: {
      confirm: inputRequired.elicit({
        message: `${operation.title}: ${printable(sentence.slice(0, 500))}?`,
        requestedSchema: YES_FORM,
      }),
    },
  });
}

/** What identifies a call: the tool and its arguments. */
function askedOf({ name }: Operation, input: unknown): string {
  return createHash("sha256")
    .update(`${name} ${JSON.stringify(input)}`)
    .digest("hex");
}

const YES_FORM = {
  type: "object" as const,
  properties: { confirm: { type: "boolean" as const, title: "Do it", description: "Carry this out now." } },
  required: ["confirm"],
};
