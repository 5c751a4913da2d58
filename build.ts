import { chmodSync, cpSync, globSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

import { build, transform, type BuildOptions, type Plugin } from "esbuild";

import { loadValidators, writeValidators } from "./schemas/validators.ts";

/**
 * Bundles what ships: the command line (with the MCP server in it) and the extension. Prints their sizes. Told `tests`,
 * it bundles the programs that tests start as well.
 */

/** What dockerode brings along for SSH and BuildKit: engines are reached by socket or TCP, images are never built. */
const withoutUnused: Plugin = {
  name: "without-unused",
  setup(bundler) {
    bundler.onResolve({ filter: /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader)$/ }, ({ path }) => ({
      path,
      namespace: "unused",
    }));
    bundler.onLoad({ filter: /.*/, namespace: "unused" }, () => ({ contents: "module.exports = {}" }));
  },
};

/** Schemas are made without TypeBox (schemas/plain-types.ts). */
const plainTypes: Plugin = {
  name: "plain-types",
  setup(bundler) {
    bundler.onResolve({ filter: /^typebox$/ }, () => ({
      path: fileURLToPath(import.meta.resolve("./schemas/plain-types.ts")),
      sideEffects: false,
    }));
  },
};

/** commander runs programs for commands that it was not told of; ours are all told. */
const withoutPrograms: Plugin = {
  name: "without-programs",
  setup(bundler) {
    bundler.onResolve({ filter: /^node:child_process$/ }, ({ path, importer }) =>
      /[/\\]commander[/\\]/.test(importer) ? { path, namespace: "unused" } : undefined,
    );
  },
};

/** The MCP SDK evaluates three editions of ajv before it needs one: here it loads them when a value is to be checked. */
const lateAjv: Plugin = {
  name: "late-ajv",
  setup(bundler) {
    bundler.onResolve({ filter: /^@modelcontextprotocol\/server\/_shims$/ }, ({ path, resolveDir }) => ({
      path,
      namespace: "late-ajv",
      pluginData: resolveDir,
    }));
    bundler.onLoad({ filter: /.*/, namespace: "late-ajv" }, ({ pluginData }) => ({
      contents: `
        export const process = globalThis.process;
        export class DefaultJsonSchemaValidator {
          getValidator(schema) {
            const { AjvJsonSchemaValidator } = require("@modelcontextprotocol/server/validators/ajv");
            this.made ??= new AjvJsonSchemaValidator();
            return this.made.getValidator(schema);
          }
        }`,
      resolveDir: pluginData as string,
    }));
  },
};

const common: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node22",
  minify: true,
  keepNames: true,
  legalComments: "none",
  logLevel: "warning",
  outbase: ".",
  plugins: [withoutUnused, plainTypes, withoutPrograms, lateAjv, loadValidators],
};
/** What a piece of a program says where a module would say `import.meta.url`. */
const WHERE = 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;';

const own = ["cli/dist", "extension/dist", ...(argv.includes("tests") ? ["test/dist"] : [])];
for (const directory of own) rmSync(directory, { recursive: true, force: true });

await buildInPieces({ "cache-ops": "cli/main.ts" }, "cli/dist");
// The editor's own part is small: it only asks. The worker process, the command line and the server for agents share
// the rest.
await build({
  ...common,
  format: "cjs",
  entryPoints: { extension: "extension/extension.ts" },
  outdir: "extension/dist",
  outExtension: { ".js": ".cjs" },
  external: ["vscode"],
});
await buildInPieces({ worker: "extension/worker/main.ts", "cache-ops": "cli/main.ts" }, "extension/dist");

for (const directory of own) {
  await writeValidators(directory);
  // Threads share no file with the program: that keeps what it loads at its start in few pieces.
  await buildInPieces({ "lock-keeper": "shared/lock-keeper.ts" }, directory);
  await buildInPieces({ "scan-thread": "shared/caches/directory/scan-thread.ts" }, directory);
  await buildInPieces({ "watch-thread": "shared/watch-thread.ts" }, directory);
  await buildInPieces({ "measure-thread": "shared/caches/managed/measure-thread.ts" }, directory);
}

// The dashboard's page: the one part that runs in a browser.
await build({
  bundle: true,
  platform: "browser",
  target: "chrome128",
  format: "iife",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  entryPoints: [
    { in: "extension/dashboard/page.ts", out: "dashboard" },
    { in: "extension/dashboard/page.css", out: "dashboard" },
  ],
  outdir: "extension/dist",
});

// The page to try the service; its licence asks to be kept with it.
for (const name of ["swagger-ui.css", "swagger-ui-bundle.js", "LICENSE", "NOTICE"]) {
  cpSync(`node_modules/swagger-ui-dist/${name}`, `cli/dist/docs/${name}`);
}

// The editor checks and explains the fields of open cache files by it.
cpSync("schemas/mediabox-cache.schema.json", "extension/dist/schemas/mediabox-cache.schema.json");
chmodSync("cli/dist/cache-ops.js", 0o755);
for (const file of ["cli/dist/cache-ops.js", "extension/dist/extension.cjs"]) {
  console.log(`${file}  ${Math.round(statSync(file).size / 1000)} kB`);
}

/** Programs that tests start again and again. */
if (argv.includes("tests")) {
  const programs = globSync("test/**/*.program.ts");
  const nameOf = (path: string) => path.slice("test/".length, -".program.ts".length).replaceAll("/", "-");
  await build({
    ...common,
    format: "esm",
    splitting: true,
    entryPoints: Object.fromEntries(programs.map((path) => [nameOf(path), path])),
    outdir: "test/dist",
    outExtension: { ".js": ".mjs" },
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
  });
}

/**
 * Bundles programs in pieces that are loaded when they are needed. esbuild makes pieces of modules only, so each is
 * turned into CommonJS afterwards: Node starts it sooner, and of what is built into Node it gets what it uses, where a
 * module gets everything (`node:http` as a module takes longer than `node` itself).
 */
async function buildInPieces(entryPoints: Record<string, string>, outdir: string): Promise<void> {
  const { outputFiles } = await build({ ...common, format: "esm", splitting: true, entryPoints, outdir, write: false });
  mkdirSync(outdir, { recursive: true });
  writeFileSync(`${outdir}/package.json`, '{ "type": "commonjs" }\n');
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, {
      format: "cjs",
      platform: "node",
      target: "node22",
      minify: true,
      supported: { "dynamic-import": false },
      define: {
        "import.meta.url": "importMetaUrl",
        "import.meta.filename": "__filename",
        "import.meta.dirname": "__dirname",
      },
      banner: text.includes("import.meta.url") ? WHERE : "",
      logLevel: "warning",
    });
    writeFileSync(path, code);
  }
}
