import { chmodSync, cpSync, rmSync, statSync } from "node:fs";

import { build, type BuildOptions, type Plugin } from "esbuild";

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

const common: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node22",
  minify: true,
  keepNames: true,
  legalComments: "none",
  logLevel: "warning",
  outbase: ".",
  plugins: [withoutUnused],
};
const toRequire =
  'import { createRequire as _createRequire } from "node:module"; const require = _createRequire(import.meta.url);';

for (const directory of ["cli/dist", "extension/dist"]) rmSync(directory, { recursive: true, force: true });

await build({
  ...common,
  format: "esm",
  splitting: true,
  entryPoints: { "cache-ops": "cli/main.ts", "lock-keeper": "shared/lock-keeper.ts" },
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
  entryPoints: {
    worker: "extension/worker/main.ts",
    "cache-ops": "cli/main.ts",
    "lock-keeper": "shared/lock-keeper.ts",
  },
  outdir: "extension/dist",
  banner: { js: toRequire },
});

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
