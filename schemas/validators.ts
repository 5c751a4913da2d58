import { createHash } from "node:crypto";

import { Ajv2020 } from "ajv/dist/2020.js";
import standalone from "ajv/dist/standalone/index.js";
import { build, type Plugin } from "esbuild";

import { toolsFor, toolWords } from "../mcp-server/tools.ts";
import { RULES } from "../shared/compile.ts";
import { Configuration, operations, Plan, Report } from "../shared/index.ts";
import { Evidence } from "../shared/evidence.ts";
import { Attributes, Content } from "../shared/file.ts";
import { Work } from "../shared/journal.ts";
import { Owner } from "../shared/owner.ts";
import { Passport } from "../shared/passport.ts";

/*
 * What is built does not compile schemas when it starts: the functions that ajv makes of those that commands need lie
 * beside it, a file each, called by the hash of its schema. All others are compiled when they are asked for, as in
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

const BODY = `
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const load = createRequire(import.meta.url);
const known = new Set(${JSON.stringify([...byHash.keys()])});
let ajv;

export function compile(schema) {
  const hash = (${String(hashOf)})(schema);
  if (known.has(hash)) return load("./validators/" + hash + ".cjs");
  ajv ??= new (load("./validators/ajv.cjs").Ajv2020)(${JSON.stringify(RULES)});
  return ajv.compile(schema);
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
    entryPoints: Object.fromEntries(["ajv", ...byHash.keys()].map((name) => [name, `validator:${name}`])),
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
      const schema = byHash.get(path);
      const contents = schema === undefined ? 'module.exports = require("ajv/dist/2020.js");' : sourceOf(schema);
      return { contents, resolveDir: import.meta.dirname };
    });
  },
};

function sourceOf(schema: object): string {
  const ajv = new Ajv2020({ ...RULES, code: { source: true } });
  return standalone.default(ajv, ajv.compile(schema));
}

function hashOf(schema: object): string {
  return createHash("sha256").update(JSON.stringify(schema)).digest("hex").slice(0, 32);
}
