/** The MCP server's face to whoever starts it. */
export { makeDesk } from "./call.ts";
export { serveHttp } from "./http.ts";
export { buildServer, serveMcp } from "./server.ts";
export { DEFAULT_MAX_TOKENS, type Settings } from "./settings.ts";
export { tokenFrom } from "./token-file.ts";
export { toolWords } from "./tools.ts";
