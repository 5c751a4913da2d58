import { fromJsonSchema, McpServer, ResourceTemplate, type RequestStateCodec } from "@modelcontextprotocol/server";

import { registerAskingTools } from "./asking.ts";

/** A point of one pixel, the smallest picture. */
const PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/** A sound of no samples, the shortest. */
const SOUND = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/** As the suite gives it. Parsed, as an object with a `then` looks like a promise. */
const SCHEMA_2020 = JSON.parse(`{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "$defs": {
    "address": {
      "$anchor": "addressDef",
      "type": "object",
      "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
    }
  },
  "properties": {
    "name": { "type": "string" },
    "address": { "$ref": "#/$defs/address" },
    "contactMethod": { "type": "string", "enum": ["phone", "email"] },
    "phone": { "type": "string" },
    "email": { "type": "string" }
  },
  "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
  "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
  "then": { "required": ["phone"] },
  "else": { "required": ["email"] },
  "additionalProperties": false
}`) as Record<string, unknown>;

/** The tools, resources and prompts the conformance suite asks for by name. Never part of the product. */
export function buildFixture(codec: RequestStateCodec<number>): McpServer {
  const lists = { listChanged: false };
  const server = new McpServer(
    { name: "conformance-fixture", version: "1.0.0" },
    {
      capabilities: { logging: {}, tools: lists, prompts: lists, resources: { ...lists, subscribe: true } },
      requestState: { verify: (state, context) => codec.verify(state, context) },
    },
  );
  registerTools(server);
  registerAskingTools(server, codec);
  registerResources(server);
  registerPrompts(server);
  return server;
}

const text = (said: string) => ({ type: "text" as const, text: said });
const picture = { type: "image" as const, data: PICTURE, mimeType: "image/png" };
const embedded = (uri: string, mimeType: string, content: string) => ({
  type: "resource" as const,
  resource: { uri, mimeType, text: content },
});

function registerTools(server: McpServer): void {
  const answers = {
    test_simple_text: [text("This is a simple text response for testing.")],
    test_image_content: [picture],
    test_audio_content: [{ type: "audio" as const, data: SOUND, mimeType: "audio/wav" }],
    test_embedded_resource: [
      embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."),
    ],
    test_multiple_content_types: [
      text("Multiple content types test:"),
      picture,
      embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
    test_reconnection: [text("Reconnection is not offered.")],
  };
  for (const [name, content] of Object.entries(answers)) {
    server.registerTool(name, { description: "Answers with fixed content." }, () => ({ content }));
  }
  server.registerTool("test_error_handling", { description: "Fails." }, () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
  for (const name of ["test_tool_with_logging", "test_logging_tool"]) {
    server.registerTool(name, { description: "Logs." }, async ({ mcpReq }) => {
      await mcpReq.log("info", "Tool execution started");
      await mcpReq.log("info", "Tool processing data");
      await mcpReq.log("info", "Tool execution completed");
      return { content: [text("logged")] };
    });
  }
  server.registerTool("test_tool_with_progress", { description: "Reports progress." }, async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      const params = { progressToken: progressToken ?? "", progress, total: 100 };
      await mcpReq.notify({ method: "notifications/progress", params });
    }
    return { content: [text("done")] };
  });
  server.registerTool(
    "json_schema_2020_12_tool",
    { description: "Has a schema with many keywords.", inputSchema: fromJsonSchema(SCHEMA_2020) },
    () => ({ content: [text("accepted")] }),
  );
  const mirrored = {
    type: "object",
    properties: { region: { type: "string", "x-mcp-header": "Region" } },
    required: ["region"],
  };
  server.registerTool(
    "test_mirrored_header",
    { description: "Has an argument that is repeated in a header.", inputSchema: fromJsonSchema(mirrored) },
    () => ({ content: [text("accepted")] }),
  );
}

function registerResources(server: McpServer): void {
  const fixed = (name: string, content: { readonly text: string } | { readonly blob: string }, mimeType: string) =>
    server.registerResource(name, `test://${name}`, { description: "A fixed resource.", mimeType }, (uri) => ({
      contents: [{ uri: uri.href, mimeType, ...content }],
    }));
  fixed("static-text", { text: "This is the content of the static text resource." }, "text/plain");
  fixed("static-binary", { blob: PICTURE }, "image/png");
  fixed("watched-resource", { text: "Watched." }, "text/plain");
  fixed("example-resource", { text: "Example." }, "text/plain");
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: undefined, complete: { id: () => ["123"] } }),
    { description: "Data by id.", mimeType: "application/json" },
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: "application/json",
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  );
  server.server.setRequestHandler("resources/subscribe", () => ({}));
  server.server.setRequestHandler("resources/unsubscribe", () => ({}));
}

function registerPrompts(server: McpServer): void {
  const say = (...contents: (ReturnType<typeof text> | typeof picture | ReturnType<typeof embedded>)[]) => ({
    messages: contents.map((content) => ({ role: "user" as const, content })),
  });
  const strings = <Name extends string>(...names: Name[]) =>
    fromJsonSchema<Record<Name, string>>({
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
      required: names,
    });
  server.registerPrompt("test_simple_prompt", { description: "Says one thing." }, () =>
    say(text("This is a simple prompt for testing.")),
  );
  server.registerPrompt(
    "test_prompt_with_arguments",
    { description: "Repeats its arguments.", argsSchema: strings("arg1", "arg2") },
    ({ arg1, arg2 }) => say(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "Holds a resource.", argsSchema: strings("resourceUri") },
    ({ resourceUri }) =>
      say(
        embedded(resourceUri, "text/plain", "Embedded resource content for testing."),
        text("Please process the embedded resource above."),
      ),
  );
  server.registerPrompt("test_prompt_with_image", { description: "Holds a picture." }, () =>
    say(picture, text("Please analyze the image above.")),
  );
}
