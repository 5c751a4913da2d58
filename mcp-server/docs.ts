import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { answerRefusal, HEADERS } from "./http-answer.ts";
import type { Methods, Route } from "./route.ts";

/** Nothing from anywhere else, nothing inline but the styles that Swagger UI sets on what it draws. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cache Ops: REST</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<form id="enter">
<p><label>Token <input id="token" type="password" autocomplete="off" spellcheck="false" required></label>
<button>Show</button> It stays in this page. <output id="said"></output></p>
</form>
<main id="page"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `"use strict";
document.getElementById("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  const headers = { authorization: "Bearer " + document.getElementById("token").value.trim() };
  const answer = await fetch("/openapi.json", { headers });
  if (!answer.ok) {
    document.getElementById("said").textContent = "Refused: " + answer.status;
    return;
  }
  document.getElementById("enter").hidden = true;
  SwaggerUIBundle({
    spec: await answer.json(),
    dom_id: "#page",
    deepLinking: false,
    validatorUrl: null,
    requestInterceptor: (request) => {
      Object.assign(request.headers, headers);
      return request;
    },
  });
});
`;

const ASSETS = { "swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript" } as const;

/**
 * The page to try the service. It holds nothing that a stranger may not know, so it needs no token: a browser cannot
 * send one for a page. What it shows and does needs the token that is typed there.
 */
export function docsRoutes(): Map<string, Methods> {
  const served = (type: string, bodyOf: () => string | undefined): Methods => ({
    GET: {
      isOpen: true,
      answer: () => {
        const body = bodyOf();
        if (body === undefined) return answerRefusal({ status: 404, message: "this package has no page to try it" });
        const headers = { ...HEADERS, "content-type": `${type}; charset=utf-8`, "content-security-policy": POLICY };
        return new Response(body, { headers: { ...headers, "referrer-policy": "no-referrer" } });
      },
    } satisfies Route,
  });
  return new Map<string, Methods>([
    ["/docs", served("text/html", () => PAGE)],
    ["/docs/start.js", served("text/javascript", () => START)],
    ...Object.entries(ASSETS).map(([name, type]): [string, Methods] => [
      `/docs/${name}`,
      served(type, () => assetOf(name)),
    ]),
  ]);
}

/** A file of Swagger UI: beside the bundled program, else from its package. */
function assetOf(name: string): string | undefined {
  const bundled = new URL(`./docs/${name}`, import.meta.url);
  if (existsSync(bundled)) return readFileSync(bundled, "utf8");
  try {
    const require = createRequire(import.meta.url);
    return readFileSync(join(dirname(require.resolve("swagger-ui-dist/package.json")), name), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
