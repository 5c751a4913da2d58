import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  type ElicitRequestFormParams,
  type InputRequiredResult,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";

type Form = ElicitRequestFormParams["requestedSchema"];
type Asked = InputRequiredResult | { content: { type: "text"; text: string }[] };

const done = (said: string) => ({ content: [{ type: "text" as const, text: said }] });
const form = (properties: Form["properties"]): Form => ({
  type: "object",
  properties,
  required: Object.keys(properties),
});
const NAME = form({ name: { type: "string" } });
const OK = form({ ok: { type: "boolean" } });

/** One of five fields, with a value that is taken when nothing else is entered. */
const DEFAULTS = form({
  name: { type: "string", default: "John Doe" },
  age: { type: "integer", default: 30 },
  score: { type: "number", default: 95.5 },
  status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  verified: { type: "boolean", default: true },
});

const options = ["option1", "option2", "option3"];
const titled = (word: string) =>
  ["First", "Second", "Third"].map((nth, at) => ({ const: `value${at + 1}`, title: `${nth} ${word}` }));

const ENUMS = form({
  untitledSingle: { type: "string", enum: options },
  titledSingle: { type: "string", oneOf: titled("Option") },
  legacyEnum: {
    type: "string",
    enum: ["opt1", "opt2", "opt3"],
    enumNames: ["Option One", "Option Two", "Option Three"],
  },
  untitledMulti: { type: "array", items: { type: "string", enum: options } },
  titledMulti: { type: "array", items: { anyOf: titled("Choice") } },
});

const elicit = (message: string, requestedSchema: Form) => inputRequired.elicit({ message, requestedSchema });
const sample = (said: string) =>
  inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text: said } }], maxTokens: 100 });

/** Tools and a prompt that ask the client for something before they answer. */
export function registerAskingTools(server: McpServer, codec: RequestStateCodec<number>): void {
  const tool = (
    name: string,
    run: (context: ServerContext, args: Record<string, unknown>) => Asked | Promise<Asked>,
  ) => {
    const inputSchema = fromJsonSchema<Record<string, unknown>>({ type: "object" });
    server.registerTool(name, { description: "Asks the client first.", inputSchema }, (args, context) =>
      run(context, args),
    );
  };
  /** Asks one thing and answers with what came back. */
  const asking = (name: string, key: string, request: (args: Record<string, unknown>) => ReturnType<typeof elicit>) =>
    tool(name, ({ mcpReq }, args) => {
      const view = inputResponse(mcpReq.inputResponses, key);
      if (view.kind === "missing") return inputRequired({ inputRequests: { [key]: request(args) } });
      return done(`Answer: ${JSON.stringify(view)}`);
    });

  asking("test_sampling", "llm", ({ prompt }) => sample(String(prompt)));
  asking("test_missing_capability", "llm", () => sample("Are you there?"));
  asking("test_elicitation", "user", ({ message }) =>
    elicit(String(message), form({ username: { type: "string" }, email: { type: "string" } })),
  );
  asking("test_elicitation_sep1034_defaults", "user", () => elicit("Who are you?", DEFAULTS));
  asking("test_elicitation_sep1330_enums", "user", () => elicit("Choose.", ENUMS));
  asking("test_streaming_elicitation", "user", () => elicit("What is your name?", NAME));
  asking("test_input_required_result_sampling", "capital_question", () => sample("What is the capital of France?"));
  asking("test_input_required_result_list_roots", "client_roots", () => inputRequired.listRoots());

  tool("test_input_required_result_elicitation", ({ mcpReq }) => {
    const name = acceptedContent<{ name: string }>(mcpReq.inputResponses, "user_name")?.name;
    if (name !== undefined) return done(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: elicit("What is your name?", NAME) } });
  });
  for (const name of ["test_input_required_result_request_state", "test_input_required_result_tampered_state"]) {
    tool(name, async (context) => {
      if (context.mcpReq.requestState<number>() === 1) return done("state-ok");
      const requestState = await codec.mint(1, context);
      return inputRequired({ inputRequests: { confirm: elicit("Please confirm", OK) }, requestState });
    });
  }
  tool("test_input_required_result_multiple_inputs", async (context) => {
    if (context.mcpReq.requestState<number>() === 1)
      return done(Object.keys(context.mcpReq.inputResponses ?? {}).join());
    return inputRequired({
      inputRequests: {
        user_name: elicit("What is your name?", NAME),
        greeting: sample("Generate a greeting"),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await codec.mint(1, context),
    });
  });
  tool("test_input_required_result_multi_round", async (context) => {
    const round = context.mcpReq.requestState<number>() ?? 0;
    if (round === 2) return done("Two answers received.");
    const step =
      round === 0
        ? elicit("Step 1: What is your name?", NAME)
        : elicit("Step 2: Colour?", form({ color: { type: "string" } }));
    const requestState = await codec.mint(round + 1, context);
    return inputRequired({ inputRequests: { [`step${round + 1}`]: step }, requestState });
  });
  tool("test_input_required_result_capabilities", ({ mcpReq }) => {
    const envelope: Readonly<Record<string, unknown>> = mcpReq.envelope ?? {};
    const declared = Object.keys(envelope[CLIENT_CAPABILITIES_META_KEY] ?? {});
    const inputRequests = {
      ...(declared.includes("elicitation") ? { user_name: elicit("What is your name?", NAME) } : {}),
      ...(declared.includes("sampling") ? { greeting: sample("Generate a greeting") } : {}),
    };
    return mcpReq.inputResponses === undefined ? inputRequired({ inputRequests }) : done("Answered.");
  });
  server.registerPrompt("test_input_required_result_prompt", { description: "Asks first." }, ({ mcpReq }) => {
    const context = acceptedContent<{ context: string }>(mcpReq.inputResponses, "user_context")?.context;
    if (context === undefined) {
      const user_context = elicit("What context should the prompt use?", form({ context: { type: "string" } }));
      return inputRequired({ inputRequests: { user_context } });
    }
    return { messages: [{ role: "user", content: { type: "text", text: context } }] };
  });
}
