import { createHash } from "node:crypto";

import { Ajv2020 } from "ajv/dist/2020.js";
import standalone from "ajv/dist/standalone/index.js";
import { build, type Plugin } from "esbuild";

import { toolsFor, toolWords } from "../mcp-server/tools.ts";
import { condensed, QUICK_RULES, RULES } from "../shared/compile.ts";
import { Configuration, operations, Plan, Report } from "../shared/index.ts";
import { Evidence } from "../shared/evidence.ts";
import { Attributes, Content } from "../shared/file.ts";
import { Work } from "../shared/journal.ts";
import { Owner } from "../shared/owner.ts";
import { Passport } from "../shared/passport.ts";

/*
 * What is built does not compile schemas when it starts: the functions that ajv makes of those that commands need lie
 * beside it, two files each, called by the hash of its schema: one that tells all that is wrong with a value and a
 * quick one that only tells whether it fits. All others are compiled when they are asked for, as in
 * development.
 */

const known = [
  Configuration,
  Plan,
  Evidence,
  Owner,
  Passport,
  Content,
  Attributes,
  Work,
  Report,
  ...operations.map(({ input }) => input),
  ...toolsFor({ readOnly: false, tools: toolWords }).map(({ inputSchema }) => inputSchema),
];

/** The schemas that are compiled beforehand, by the names of their files. */
export const byHash: ReadonlyMap<string, object> = new Map(known.map((schema) => [hashOf(schema), schema]));

/** Gives shared/compile.ts the body that loads what {@link writeValidators} has written. */
export const loadValidators: Plugin = {
  name: "load-validators",
  setup(bundler) {
    bundler.onLoad({ filter: /[/\\]shared[/\\]compile\.ts$/ }, () => ({ contents: BODY, loader: "js" }));
  },
};

/** What the names of the quick ones end with. */
const QUICK = "-quick";

const BODY = `
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const load = createRequire(import.meta.url);
const known = new Set(${JSON.stringify([...byHash.keys()])});
const made = new Map();

export function compile(schema) {
  return find(schema, "", ${JSON.stringify(RULES)});
}

export function compileQuick(schema) {
  return find(schema, "${QUICK}", ${JSON.stringify(QUICK_RULES)});
}

function find(schema, suffix, rules) {
  const hash = (${String(hashOf)})(schema);
  if (known.has(hash)) return load("./validators/" + hash + suffix + ".cjs");
  const ajv = made.get(suffix) ?? new (load("./validators/ajv.cjs").Ajv2020)(rules);
  made.set(suffix, ajv);
  return ajv.compile(suffix === "" ? schema : (${String(condensed)})(schema));
}
`;

/** Writes the functions, and ajv itself, to `validators` in a directory of bundles. */
export async function writeValidators(directory: string): Promise<void> {
  await build({
    bundle: true,
    platform: "node",
    target: "node22",
    format: "cjs",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    entryPoints: Object.fromEntries(
      ["ajv", ...[...byHash.keys()].flatMap((hash) => [hash, hash + QUICK])].map((name) => [name, `validator:${name}`]),
    ),
    outdir: `${directory}/validators`,
    outExtension: { ".js": ".cjs" },
    plugins: [validators],
  });
}

const validators: Plugin = {
  name: "validators",
  setup(bundler) {
    bundler.onResolve({ filter: /^validator:/ }, ({ path }) => ({ path: path.slice(10), namespace: "validator" }));
    bundler.onLoad({ filter: /.*/, namespace: "validator" }, ({ path }) => {
      const isQuick = path.endsWith(QUICK);
      const schema = byHash.get(isQuick ? path.slice(0, -QUICK.length) : path);
      const rules = isQuick ? QUICK_RULES : RULES;
      const contents =
        schema === undefined
          ? 'module.exports = require("ajv/dist/2020.js");'
          : sourceOf(isQuick ? condensed(schema) : schema, rules);
      return { contents, resolveDir: import.meta.dirname };
    });
  },
};

function sourceOf(schema: object, rules: typeof RULES | typeof QUICK_RULES): string {
  const ajv = new Ajv2020({ ...rules, code: { source: true } });
  return standalone.default(ajv, ajv.compile(schema));
}

function hashOf(schema: object): string {
  return createHash("sha256").update(JSON.stringify(schema)).digest("hex").slice(0, 32);
}
