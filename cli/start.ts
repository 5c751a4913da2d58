import { resolve } from "node:path";
import { argv, env, stderr } from "node:process";

import { printable } from "@cache-ops/shared/start";

import { makeContext } from "./environment.ts";
import { end, runProgram } from "./program.ts";
import { makeSample } from "./sample.ts";
import { VERSION } from "./version.ts";

// `npm start [library …]`: shows the cleanup plan of libraries, or of a sample that it makes.
const words = argv.slice(2).map((word) => resolve(env["INIT_CWD"] ?? ".", word));
const libraries = words.length > 0 ? words : [await sample()];
const code = await runProgram(["cleanup", ...libraries], VERSION);
if (code === 0) stderr.write("\nApply it with: npx cache-ops apply <plan>   More: npx cache-ops --help\n");
end(code);

async function sample(): Promise<string> {
  const { context, close } = await makeContext(new AbortController().signal, () => undefined);
  const library = await makeSample(context);
  close();
  stderr.write(`No library was named, so this is a sample: ${printable(library)}\n\n`);
  return library;
}
