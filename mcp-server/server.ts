import { CacheOpsError, printable, type Context, type Progress } from "@cache-ops/shared";

import {
  CLIENT_CAPABILITIES_META_KEY,
  fromJsonSchema,
  McpServer,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequiredResult,
  type jsonSchemaValidator,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";

import { answerError } from "./answer-error.ts";
import { callTool, makeDesk, type Desk } from "./call.ts";
import { confirmed, question } from "./confirm.ts";
import { leaveOut, type Greeting } from "./greeting.ts";
import { CAPABILITIES, identityOf, INSTRUCTIONS, ON_MANAGED } from "./introduction.ts";
import { lateSchema } from "./late-schema.ts";
import { registerPrompts } from "./prompts.ts";
import { registerResources } from "./resources.ts";
import type { Settings } from "./settings.ts";
import { toolsFor, type Tool } from "./tools.ts";

/** Serves agents over standard input and output, until the client closes them. Who was greeted is not greeted again. */
export function serveMcp(settings: Settings, greeting: Greeting | undefined): void {
  const desk = makeDesk();
  const transport = new StdioServerTransport();
  serveStdio(() => buildServer(settings, desk), {
    transport: greeting === undefined ? transport : leaveOut(greeting, transport),
  });
}

/** One server instance. Cheap and without effects: every connection, over HTTP every request, makes one. */
export function buildServer(settings: Settings, desk: Desk): McpServer {
  const tools = offersFor(settings);
  const evicts = tools.some(({ tool }) => tool.operation.name === "evict");
  const server = new McpServer(identityOf(settings.version), {
    instructions: evicts ? `${INSTRUCTIONS} ${ON_MANAGED}` : INSTRUCTIONS,
    requestState: { verify: (state, request) => desk.questions.verify(state, request) },
    capabilities: CAPABILITIES,
    cacheHints: Object.fromEntries(LISTS.map((method) => [method, { ttlMs: LISTS_MS, cacheScope: "private" }])),
  });
  for (const offer of tools) registerTool(server, offer, settings, desk);
  registerResources(server, settings);
  registerPrompts(server, settings);
  return server;
}

const LISTS = ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"] as const;
const LISTS_MS = 300_000;

/** A tool, and what the SDK is told of it. */
interface Offer {
  readonly tool: Tool;
  readonly config: ReturnType<typeof configOf>;
}

/** Made once: over HTTP every request has a server of its own, and copying and compiling schemas is most of its work. */
const OFFERS = new WeakMap<Settings, readonly Offer[]>();

function offersFor(settings: Settings): readonly Offer[] {
  const known = OFFERS.get(settings);
  if (known !== undefined) return known;
  const offers = toolsFor(settings).map((tool) => ({ tool, config: configOf(tool) }));
  OFFERS.set(settings, offers);
  return offers;
}

function configOf({ operation: { title, description }, inputSchema, outputSchema, annotations }: Tool) {
  return {
    title,
    description,
    // Input is checked by the core, which names path, rule and allowed values and answers with a code.
    inputSchema: fromJsonSchema<Record<string, unknown>>({ ...inputSchema }, ACCEPT),
    outputSchema: lateSchema<Record<string, unknown>>({ ...outputSchema }),
    annotations,
  };
}

function registerTool(server: McpServer, { tool, config }: Offer, settings: Settings, desk: Desk): void {
  const { name, effect } = tool.operation;
  const handle = async (input: unknown, request: ServerContext): Promise<CallToolResult | InputRequiredResult> => {
    const context = contextOf(settings, request);
    try {
      const asks = effect !== "read" && (settings.confirm || canAsk(server, request));
      if (asks && !confirmed(request, tool.operation, input)) {
        if (!canAsk(server, request)) return answerError(NOBODY_TO_ASK);
        return await question(tool.operation, input, desk.questions);
      }
    } catch (error) {
      if (error instanceof CacheOpsError) return answerError(error);
      throw error;
    }
    return callTool(tool, input, context, desk, settings);
  };
  server.registerTool(name, config, handle);
}

const ACCEPT: jsonSchemaValidator = {
  getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }),
};

const NOBODY_TO_ASK = new CacheOpsError(
  "forbidden",
  "the operator asks for a person's yes, and this client cannot ask one",
  {
    hint: "Let the person apply the plan with `cache-ops apply`, or use a client that supports elicitation.",
  },
);

/** Whether the client said, for this request or at the start of the connection, that it can show its person a form. */
function canAsk(server: McpServer, { mcpReq }: ServerContext): boolean {
  const envelope: { readonly [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities } = mcpReq.envelope ?? {};
  const declared = envelope[CLIENT_CAPABILITIES_META_KEY] ?? server.server.getClientCapabilities();
  const elicitation = declared?.elicitation;
  // Clients that name no mode mean forms.
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}

function contextOf({ contextFor }: Settings, { mcpReq }: ServerContext): Context {
  return { ...contextFor(mcpReq.signal), progress: progressTo(mcpReq) };
}

const PROGRESS_MS = 100;

/** Reports progress to a client that asked for it: always more than before, ten times a second at most. */
function progressTo({ _meta, notify }: ServerContext["mcpReq"]): (progress: Progress) => void {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return () => undefined;
  let [last, lastAt] = [0, -PROGRESS_MS];
  return ({ message, done, total }) => {
    const now = performance.now();
    if (done <= last || now - lastAt < PROGRESS_MS) return;
    [last, lastAt] = [done, now];
    const params = {
      progressToken,
      progress: done,
      message: printable(message),
      ...(total === undefined ? {} : { total }),
    };
    // A client that went away gets no progress; the work itself ends through its signal.
    notify({ method: "notifications/progress", params }).catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
    });
  };
}
