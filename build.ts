import { chmodSync, rmSync, statSync } from "node:fs";

import { build, type BuildOptions } from "esbuild";

/** Bundles what ships: the command line (with the MCP server in it) and the extension. Prints their sizes. */

const common: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node22",
  minify: true,
  keepNames: true,
  legalComments: "none",
  logLevel: "warning",
  outbase: ".",
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
await build({
  ...common,
  format: "cjs",
  entryPoints: { extension: "extension/extension.ts" },
  outdir: "extension/dist",
  outExtension: { ".js": ".cjs" },
  external: ["vscode"],
  // The bundle is CommonJS, where import.meta.url has to be made.
  define: { "import.meta.url": "_moduleUrl" },
  banner: { js: 'const _moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
});
await build({
  ...common,
  format: "esm",
  entryPoints: { "lock-keeper": "shared/lock-keeper.ts" },
  outdir: "extension/dist",
  banner: { js: toRequire },
});

chmodSync("cli/dist/cache-ops.js", 0o755);
for (const file of ["cli/dist/cache-ops.js", "extension/dist/extension.cjs"]) {
  console.log(`${file}  ${Math.round(statSync(file).size / 1000)} kB`);
}
