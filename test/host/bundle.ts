import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { build, type Plugin } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const SUITES = join(HERE, "suites");

/** Bundles suites, all of `suites/` by default, into a directory; returns the module that VS Code is to run. */
export async function bundleSuites(directory: string, suites: readonly string[] = listSuites()): Promise<string> {
  if (suites.length === 0) throw new Error(`there are no suites in ${SUITES}`);
  const mocha = createRequire(import.meta.url).resolve("mocha/lib/mocha.cjs");
  await build({
    bundle: true,
    platform: "node",
    target: "node22",
    format: "cjs",
    sourcemap: "inline",
    logLevel: "warning",
    entryPoints: [{ in: join(HERE, "inside.ts"), out: "index" }, ...suites.map(toEntry)],
    outdir: directory,
    outExtension: { ".js": ".cjs" },
    // No suite reaches an engine, and what dockerode brings along cannot be bundled.
    external: ["vscode", mocha, "dockerode"],
    alias: { mocha },
    plugins: [keepPlaces],
  });
  return join(directory, "index.cjs");
}

function listSuites(): string[] {
  return readdirSync(SUITES)
    .filter((name) => name.endsWith(".suite.ts"))
    .toSorted()
    .map((name) => join(SUITES, name));
}

function toEntry(path: string): { readonly in: string; readonly out: string } {
  return { in: path, out: path.slice(path.lastIndexOf("/") + 1, -".ts".length) };
}

/** Bundled sources find what lies beside them as if they were run where they stand. */
const keepPlaces: Plugin = {
  name: "keep-places",
  setup: (bundler) => {
    bundler.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8").replaceAll(
        "import.meta.url",
        JSON.stringify(pathToFileURL(path).href),
      );
      return { contents, loader: "ts" };
    });
  },
};
