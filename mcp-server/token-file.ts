import { randomBytes } from "node:crypto";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";

import { CacheOpsError, systemError } from "@cache-ops/shared";

/** Reads the token from a file only its owner can read, making file and token when there is none. */
export function tokenFrom(file: string): string {
  try {
    writeFileSync(file, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600 });
    chmodSync(file, 0o600);
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    if (!isThere) throw systemError(error, `token file ${file}`);
  }
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new CacheOpsError("forbidden", `${file} can be read by others`, {
      hint: `chmod 600 ${file}, and change the token.`,
    });
  }
  const token = readFileSync(file, "utf8").trim();
  if (token.length < 16) {
    throw new CacheOpsError("invalid_input", `${file} holds no token of at least 16 characters`, {
      hint: "Remove the file to have a new one made.",
    });
  }
  return token;
}
