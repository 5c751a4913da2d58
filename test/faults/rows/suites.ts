import { execFile } from "node:child_process";
import { join } from "node:path";

import type { Row, Task } from "../row.ts";

/** A row that consists of tests there are already. Its cases are their claims. */
function suite(row: Omit<Row, "run" | "quick">, files: readonly string[]): Row {
  return {
    ...row,
    // They run with all other tests.
    quick: 0,
    run: (task) => (task.from > 0 ? Promise.resolve() : runFiles(files, task)),
  };
}

/** What mocha says of a test. */
interface Said {
  readonly passes: readonly object[];
  readonly failures: readonly { readonly fullTitle: string; readonly err: { readonly message?: string } }[];
}

async function runFiles(files: readonly string[], task: Task): Promise<void> {
  const root = join(import.meta.dirname, "../../..");
  const words = ["node_modules/mocha/bin/mocha.js", "--exit", "--reporter", "json", ...files];
  const said = await new Promise<string>((resolve) => {
    execFile(process.execPath, words, { cwd: root, maxBuffer: 1 << 28 }, (_, stdout) => resolve(stdout));
  });
  const { passes, failures } = JSON.parse(said.slice(said.indexOf("{\n"))) as Said;
  task.count("claims that hold", passes.length);
  task.passed(passes.length);
  for (const { fullTitle, err } of failures) task.failed(fullTitle, err.message);
}

export const http = suite(
  {
    name: "http",
    what: "requests without or with a wrong token, Host or Origin, rebinding, forms of other sites, sessions nobody opened, bodies too large, other methods and paths (more than 60 of them), and addresses of the download backend that lead elsewhere (more than 60, by every method)",
    required: "401, 403, 404, 405, 413, 415, 421 or 429 as it fits, and nothing changes",
    count: 34,
  },
  ["test/mcp-server/http.test.ts", "test/mcp-server/service-hostile.test.ts"],
);
