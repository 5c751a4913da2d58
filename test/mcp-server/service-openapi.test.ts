import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { Ajv2020 } from "ajv/dist/2020.js";

import { operations } from "../../shared/index.ts";
import { launchBrowser } from "../host/browser.ts";
import { fill } from "../shared/managed/managed-place.ts";
import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { ask, startService, type ServiceServer } from "./service-server.ts";

/** As much of an OpenAPI document as the checks need. */
interface Document {
  readonly openapi: string;
  readonly info: Readonly<Record<string, unknown>>;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly tags: readonly { readonly name: string }[];
  readonly components: { readonly responses: object; readonly schemas: object };
}

interface Described {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: object;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, object>>;
}

const METHODS = ["get", "post", "delete"];

const document = JSON.parse(readFileSync(new URL("../../schemas/openapi.json", import.meta.url), "utf8")) as Document;

const described = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
);

/** Every value in a document, with the names that lead to it. */
function* walk(value: unknown, way: readonly string[] = []): Generator<[readonly string[], unknown]> {
  yield [way, value];
  if (typeof value !== "object" || value === null) return;
  for (const [name, part] of Object.entries(value)) yield* walk(part, [...way, name]);
}

/** The schemas of a document: of parameters and of content. */
function schemas(): { readonly where: string; readonly schema: object }[] {
  return [...walk(document)].flatMap(([way, value]) => {
    const isSchema = way.at(-1) === "schema" && typeof value === "object" && value !== null;
    return isSchema && !way.slice(0, -1).includes("schema") ? [{ where: way.join("/"), schema: value }] : [];
  });
}

/** A schema with all it refers to in place. */
function whole(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(whole);
  if (typeof value !== "object" || value === null) return value;
  if ("$ref" in value) return whole(schemaAt(value.$ref));
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, whole(part)]));
}

function schemaAt(reference: unknown): unknown {
  const name = String(reference).replace(/^#\/components\/schemas\//, "");
  return (document.components.schemas as Record<string, unknown>)[name];
}

describe("the OpenAPI document", () => {
  it("is of version 3.1 and has what every document must have", () => {
    assert.equal(document.openapi, "3.1.0");
    assert.ok(document.info["title"] && document.info["version"]);
    for (const { path, method, operation } of described) {
      assert.match(path, /^\//);
      assert.ok(METHODS.includes(method), method);
      assert.ok(operation.summary, path);
      assert.ok(Object.keys(operation.responses).length > 0, path);
      for (const status of Object.keys(operation.responses)) assert.match(status, /^[1-5]\d\d$/);
      for (const tag of operation.tags)
        assert.ok(
          document.tags.some(({ name }) => name === tag),
          tag,
        );
    }
    const ids = described.map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
  });

  it("names each parameter of a path there and nowhere else, and none twice", () => {
    for (const { path, operation } of described) {
      const parameters = operation.parameters ?? [];
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      assert.deepEqual(
        parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name),
        inPath,
        path,
      );
      assert.ok(parameters.filter((parameter) => parameter.in === "path").every(({ required }) => required === true));
      const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      assert.equal(new Set(keys).size, keys.length, path);
    }
  });

  it("refers to nothing that it does not hold", () => {
    let references = 0;
    for (const [way, value] of walk(document)) {
      if (way.at(-1) !== "$ref") continue;
      const target = String(value)
        .split("/")
        .slice(1)
        .reduce<unknown>((part, name) => (part as Record<string, unknown>)[name], document);
      assert.equal(typeof target, "object", String(value));
      references += 1;
    }
    assert.ok(references > 100, String(references));
  });

  it("holds schemas of JSON Schema 2020-12 that a strict validator compiles", () => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats: { "date-time": true } });
    const within = (schema: object) =>
      JSON.parse(JSON.stringify(schema).replaceAll("#/components/schemas/", "#/$defs/")) as object;
    const $defs = within(document.components.schemas);
    const all = schemas();
    for (const { where, schema } of all) {
      assert.doesNotThrow(() => ajv.compile({ ...within(schema), $defs }), where);
    }
    assert.ok(all.length > 3 * operations.length, String(all.length));
  });

  it("describes every operation of the registry with its own schemas, and gives GET to those that only read", () => {
    for (const { name, effect, output } of operations) {
      const item = document.paths[`/api/v1/${name}`] ?? {};
      assert.deepEqual(Object.keys(item).toSorted(), effect === "read" ? ["get", "post"] : ["post"], name);
      const answered = item["post"]?.responses["200"] as { content: Record<string, { schema: object }> };
      assert.deepEqual(whole(answered.content["application/json"]?.schema), JSON.parse(JSON.stringify(output)));
    }
    const input = document.paths["/api/v1/apply"]?.["post"]?.requestBody?.content["application/json"]?.schema;
    assert.deepEqual((input as { required: string[] }).required, ["plan", "acknowledge"]);
  });

  it("holds each schema of an answer once, and is small for it", () => {
    const texts = Object.values(document.components.schemas).map((schema) => JSON.stringify(schema));
    assert.equal(new Set(texts).size, texts.length);
    for (const text of texts.filter(({ length }) => length > 1000)) {
      assert.equal(JSON.stringify(document).split(text).length, 2, text.slice(0, 200));
    }
    assert.ok(JSON.stringify(document).length < 200_000, `${JSON.stringify(document).length} characters`);
  });

  it("is what the service answers, to whoever has the token", async () => {
    const root = makePlace("managed");
    fill(root, "a/film.bin");
    const server = await startService({ config: { managed: [{ name: "downloads", root, maxBytes: 9000 }] } });
    const { json } = await ask(server, "GET /openapi.json");
    assert.deepEqual(json, document);
    await ask(server, "POST /cache/register/a");
    const lines = [
      ["/health"],
      ["/ready"],
      ["/api/v1/history"],
      ["/api/v1/directories"],
      ["/engines"],
      ["/cache/stats"],
      ["/cache/directories"],
      ["/cache/directories/{path}", "/cache/directories/a"],
    ] as const;
    const answers = await Promise.all(
      lines.map(async ([path, real = path]) => ({ path, answer: await ask(server, `GET ${real}`) })),
    );
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats: { "date-time": true } });
    for (const { path, answer } of answers) {
      const answered = document.paths[path]?.["get"]?.responses["200"] as {
        content: Record<string, { schema: object }>;
      };
      const validate = ajv.compile(whole(answered.content["application/json"]?.schema ?? false) as object);
      assert.equal(answer.status, 200, path);
      assert.ok(validate(answer.json), `${path}: ${JSON.stringify(validate.errors)}`);
    }
  });
});

describe("the page to try it", () => {
  let server: ServiceServer;

  before(async () => {
    const library = makeStaleLibrary("films");
    server = await startService({ config: { libraries: [{ name: "movies", roots: [library] }] } });
  });

  it("lets in nothing from elsewhere and holds nothing that a stranger may not know", async () => {
    for (const path of ["/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"]) {
      const { status, headers, text } = await ask(server, `GET ${path}`, { headers: { authorization: null } });
      assert.equal(status, 200, path);
      assert.match(headers["content-security-policy"] as string, /^default-src 'none'; script-src 'self';/);
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.ok(!text.includes(server.token));
    }
    for (const path of ["/docs/", "/docs/index.html", "/docs/..%2Fpackage.json", "/docs/swagger-ui.js"]) {
      assert.equal((await ask(server, `GET ${path}`)).status, 404, path);
    }
  });

  it("shows every operation in a browser once the token is typed, and calls one, with its policy kept", async () => {
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      const asked: string[] = [];
      const complaints: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(`${server.origin}/docs`);
      await page.fill("#token", server.token);
      await page.click("button");
      await page.waitForSelector(".opblock");
      assert.equal(await page.locator(".opblock").count(), described.length);
      const block = page.locator("#operations-Operations-historyByParameters");
      await block.locator(".opblock-summary-control").click();
      await block.getByRole("button", { name: "Try it out" }).click();
      await block.getByRole("button", { name: "Execute" }).click();
      await block.locator(".live-responses-table .response-col_status").first().waitFor();
      const status = await block.locator(".live-responses-table tbody .response-col_status").first().textContent();
      assert.match(status ?? "", /200/);
      assert.deepEqual(complaints, []);
      for (const url of asked)
        assert.ok(url.startsWith(server.origin) || url.startsWith("data:") || url.startsWith("blob:"), url);
    } finally {
      await browser.close();
    }
  });
});
