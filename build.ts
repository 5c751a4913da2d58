import { chmodSync, cpSync, rmSync, statSync } from "node:fs";

import { build, type BuildOptions, type Plugin } from "esbuild";

import { loadValidators, writeValidators } from "./schemas/validators.ts";

/** Bundles what ships: the command line (with the MCP server in it) and the extension. Prints their sizes. */

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
  plugins: [withoutUnused, lateAjv, loadValidators],
};
// CommonJS packages in a bundle of modules require what is built into Node. Made when the first of them does: making it
// takes longer than all that some commands do.
const toRequire =
  'let _require; const require = (id) => (_require ??= globalThis.process.getBuiltinModule("node:module").createRequire(import.meta.url))(id);';

for (const directory of ["cli/dist", "extension/dist"]) rmSync(directory, { recursive: true, force: true });

await build({
  ...common,
  format: "esm",
  splitting: true,
  entryPoints: { "cache-ops": "cli/main.ts" },
  outdir: "cli/dist",
  banner: { js: toRequire },
});
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
await build({
  ...common,
  format: "esm",
  splitting: true,
  entryPoints: { worker: "extension/worker/main.ts", "cache-ops": "cli/main.ts" },
  outdir: "extension/dist",
  banner: { js: toRequire },
});

for (const directory of ["cli/dist", "extension/dist"]) {
  await writeValidators(directory);
  // Threads share no file with the program: that keeps what it loads at its start in few pieces.
  await build({
    ...common,
    format: "esm",
    entryPoints: {
      "lock-keeper": "shared/lock-keeper.ts",
      "scan-thread": "shared/caches/directory/scan-thread.ts",
    },
    outdir: directory,
    banner: { js: toRequire },
  });
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
