import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { argv, exit } from "node:process";
import { fileURLToPath } from "node:url";

import { EXIT_CODES } from "../cli/exit-codes.ts";
import { openApi } from "../mcp-server/openapi.ts";
import { Configuration, MediaboxCache, operations, Plan, Report } from "../shared/index.ts";
import { manifest, operationsTable } from "./extension-manifest.ts";
import { outlineCode } from "./outline-code.ts";

/*
 * Writes everything that is derived from the registry: the JSON Schemas in this directory, the tables of the README,
 * the commands and settings of the extension, the compiled part that reads caches. With --check it writes nothing and fails when something is out of date.
 */

const root = fileURLToPath(new URL("..", import.meta.url));
const DIRECTORY_CACHES = "shared/caches/directory";
const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const EFFECTS = { read: "nothing", write: "caches", destroy: "caches, removes" } as const;

const files = new Map<string, string>([
  schemaFile("config", "Configuration of Cache Ops", Configuration),
  schemaFile("mediabox-cache", "Cache of mediabox", MediaboxCache),
  schemaFile("plan", "Plan of Cache Ops", Plan),
  schemaFile("report", "Report of Cache Ops", Report),
  ...operations.flatMap(({ name, title, input, output }) => [
    schemaFile(`operations/${name}.input`, `${title}: input`, input),
    schemaFile(`operations/${name}.output`, `${title}: output`, output),
  ]),
  ["schemas/openapi.json", `${JSON.stringify(openApi(operations, versionOf("cli/package.json")), null, 2)}\n`],
  ["extension/operations.json", operationsTable()],
  ["extension/package.json", manifest(`${root}extension/package.json`)],
  ["README.md", readme()],
  [`${DIRECTORY_CACHES}/outline-code.ts`, await outlineCode(`${root}${DIRECTORY_CACHES}/outline.as`)],
]);

const outdated = [...files].filter(([file, text]) => textOf(file) !== text).map(([file]) => file);
const surplus = readdirSync(`${root}schemas`, { recursive: true, encoding: "utf8" })
  .map((name) => `schemas/${name.replaceAll("\\", "/")}`)
  .filter((name) => name.endsWith(".schema.json") && !files.has(name));
if (argv.includes("--check")) {
  for (const file of outdated) console.error(`${file} is out of date: run \`npm run generate\`.`);
  for (const file of surplus) console.error(`${file} belongs to nothing any more: remove it.`);
  exit(outdated.length + surplus.length > 0 ? 1 : 0);
}
mkdirSync(`${root}schemas/operations`, { recursive: true });
for (const file of outdated) writeFileSync(`${root}${file}`, files.get(file) ?? "");
console.log(outdated.length === 0 ? "Everything is up to date." : `Written: ${outdated.join(", ")}`);

function schemaFile(name: string, title: string, schema: object): [file: string, text: string] {
  return [`schemas/${name}.schema.json`, `${JSON.stringify({ $schema: DIALECT, title, ...schema }, null, 2)}\n`];
}

function versionOf(file: string): string {
  return (JSON.parse(textOf(file) ?? "{}") as { readonly version: string }).version;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(`${root}${file}`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function readme(): string {
  const lines = operations.map(
    ({ name, effect, description }) => `| \`${name}\` | ${EFFECTS[effect]} | ${description} |`,
  );
  const codes = Object.entries(EXIT_CODES).map(([outcome, code]) => `| ${code} | ${outcome} |`);
  return [
    ["operations", ["| verb | changes | what it does |", "|---|---|---|", ...lines]],
    ["exit-codes", ["| code | outcome |", "|---|---|", ...codes]],
  ].reduce(
    (text, [name, table]) => between(text, String(name), (table as string[]).join("\n")),
    textOf("README.md") ?? "",
  );
}

function between(text: string, name: string, table: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md has no place for ${name}`);
  return `${text.slice(0, from + start.length)}\n${table}\n${text.slice(to)}`;
}
