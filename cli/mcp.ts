import { once } from "node:events";
import { stdin } from "node:process";

import { serveMcp } from "@cache-ops/mcp-server";

import { makeContext } from "./environment.ts";

/** Serves agents over standard input and output until the client closes them. */
export async function runMcp(version: string): Promise<void> {
  const { context, close } = makeContext(new AbortController().signal, () => undefined);
  try {
    serveMcp({ version, contextFor: (signal) => ({ ...context, signal }) });
    await once(stdin, "close");
  } finally {
    close();
  }
}
