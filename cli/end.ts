import process from "node:process";

import { countHanging } from "@cache-ops/shared/start";

/**
 * Ends the program with this exit code. Node waits for its threads, and one that hangs on a dead share would keep it for
 * ever: then another program takes its place, for which the system waits for nothing, and ends at once.
 */
export function end(code: number, mayHang = countHanging() > 0): never {
  if (mayHang) process.execve?.("/bin/sh", ["sh", "-c", `exit ${code}`]);
  process.exit(code);
}
