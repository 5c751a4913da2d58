import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { build } from "esbuild";

import { makePlace } from "../support/place.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Every schema that commands know from the start, and those of every operation, as JSON. */
const SOURCE = `
  import { Evidence } from "./shared/evidence.ts";
  import { Attributes, Content } from "./shared/file.ts";
  import { Configuration, MediaboxCache, operations, Plan, Report } from "./shared/index.ts";
  import { Work } from "./shared/journal.ts";
  import { Owner } from "./shared/owner.ts";
  import { Passport } from "./shared/passport.ts";
  export const texts = [
    ...[Attributes, Configuration, Content, Evidence, MediaboxCache, Owner, Passport, Plan, Report, Work],
    ...operations.flatMap(({ input, output }) => [input, output]),
  ].map((schema) => JSON.stringify(schema));
`;

describe("schemas made without TypeBox, as in what is built", () => {
  it("are to the letter those that TypeBox makes", async () => {
    const place = makePlace("schemas");
    symlinkSync(join(ROOT, "node_modules"), join(place, "node_modules"));
    const made = async (name: string, alias: Record<string, string>) => {
      const outfile = join(place, `${name}.mjs`);
      const stdin = { contents: SOURCE, resolveDir: ROOT };
      await build({ stdin, bundle: true, platform: "node", format: "esm", packages: "external", alias, outfile });
      return ((await import(pathToFileURL(outfile).href)) as { readonly texts: readonly string[] }).texts;
    };
    const plain = await made("plain", { typebox: join(ROOT, "schemas", "plain-types.ts") });
    assert.ok(plain.length > 60);
    for (const [index, text] of (await made("typebox", {})).entries()) assert.equal(plain[index], text);
  });
});
