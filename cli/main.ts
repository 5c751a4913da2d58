import { VERSION } from "./version.ts";

// `process` is the global here: imported, it would open all standard streams, which takes longer than to say the version.
const { argv, stdout } = process;

// Under the launcher: when that is killed, this ends too (bin/cache-ops.js).
if (process.channel) {
  process.channel.unref();
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
}
// Who reads our output may stop reading: `cache-ops list | head`.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

// Calls of the file system that hang on a dead share keep their threads: there are some left for all others.
process.env["UV_THREADPOOL_SIZE"] ??= "16";

void run(argv.slice(2));

async function run(words: readonly string[]): Promise<void> {
  // Whoever only asks for the version does not wait until everything is loaded.
  if (words.length === 1 && (words[0] === "--version" || words[0] === "-V")) {
    stdout.write(`${VERSION}\n`, () => process.exit());
    return;
  }
  const { keepCompiledCode } = await import("./compiled-code.ts");
  const keep = keepCompiledCode(words[0]);
  const { end, runProgram } = await import("./program.ts");
  const code = await runProgram(words, VERSION);
  if (code <= 1) keep();
  stdout.write("", () => end(code));
}
