import { readFileSync } from "node:fs";

import { compileString } from "assemblyscript/asc";

/** The module that holds what the compiler makes of `outline.as`, as base64. Throws with the compiler's word. */
export async function outlineCode(source: string): Promise<string> {
  const { error, binary } = await compileString(
    { "outline.ts": readFileSync(source, "utf8") },
    {
      optimizeLevel: 3,
      runtime: "stub",
      enable: ["simd", "bulk-memory"],
      noAssert: true,
      importMemory: true,
    },
  );
  if (error !== null || binary === null)
    throw new Error(`${source} cannot be compiled: ${error?.message ?? "no code"}`);
  const code = Buffer.from(binary).toString("base64");
  return `/** What the compiler makes of \`outline.as\`, as base64. Written by \`npm run generate\`. */\nexport const OUTLINE_CODE =\n  "${code}";\n`;
}
