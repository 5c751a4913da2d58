import { readFileSync, statSync } from "node:fs";
import { platform } from "node:process";

import { CacheOpsError, errnoOf } from "./errors.ts";

/**
 * A secret of the environment: the variable `name`, or the first line of the file that `name_FILE` names, which only
 * its owner may read. `undefined` when neither is set. Throws `invalid_input` that names the variable, never the secret.
 */
export function secretFrom(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  const given = env[name];
  if (given !== undefined && given !== "") return given;
  const file = env[`${name}_FILE`];
  if (file === undefined || file === "") return undefined;
  try {
    const isOpen = platform !== "win32" && (statSync(file).mode & 0o077) !== 0;
    if (isOpen) {
      throw new CacheOpsError("invalid_input", `the file in ${name}_FILE can be read by others`, {
        hint: `chmod 600 ${file}`,
      });
    }
    return readFileSync(file, "utf8").split("\n")[0]?.trim() || undefined;
  } catch (error) {
    if (error instanceof CacheOpsError || errnoOf(error) === undefined) throw error;
    throw new CacheOpsError("invalid_input", `the file in ${name}_FILE cannot be read (${errnoOf(error)})`, {
      hint: "Check its path and its owner, or unset the variable.",
    });
  }
}
