import { argv, exit, stdout } from "node:process";

import { runProgram } from "./program.ts";

// Under the launcher: when that is killed, this ends too (bin/cache-ops.js).
if (process.channel) {
  process.channel.unref();
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
}
// Who reads our output may stop reading: `cache-ops list | head`.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  exit(0);
});

const code = await runProgram(argv.slice(2));
// Threads that hang on a dead share must not keep the program from ending.
stdout.write("", () => exit(code));
