import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { atEnd } from "../support/at-end.ts";
import { makePlace } from "../support/place.ts";

/** Clients at once. */
const CLIENTS = 8;

/** What wrk runs: every other request is without a token, the others with a wrong one. */
const SCRIPT = `
local asked = 0
refused, others = 0, 0
request = function()
  asked = asked + 1
  local headers = asked % 2 == 0 and { Authorization = "Bearer wrong" } or {}
  return wrk.format("GET", "/api/v1/check", headers)
end
response = function(status)
  if status == 401 then refused = refused + 1 else others = others + 1 end
end
setup = function(thread) only = thread end
done = function(summary)
  local e = summary.errors
  io.write(string.format('\\n{"refused": %d, "others": %d, "broken": %d, "late": %d}\\n',
    only:get("refused"), only:get("others"), e.connect + e.read + e.write, e.timeout))
end
`;

/** What came of requests that may not be let in. */
export interface Load {
  /** Answered 401. */
  readonly refused: number;
  /** Answered something else. */
  readonly others: number;
  /** Connections that could not be made, or broke. */
  readonly broken: number;
  /** Not answered within ten seconds. */
  readonly late: number;
}

/** Asks a service, by wrk, as often as it answers, without the right to; for so many seconds, or until it is stopped. */
export function loadOn(origin: string, seconds: number): { stop(): void; readonly done: Promise<Load> } {
  const script = join(makePlace("wrk"), "strangers.lua");
  writeFileSync(script, SCRIPT);
  const words = ["-t", "1", "-c", String(CLIENTS), "-d", `${seconds}s`, "--timeout", "10s", "-s", script, origin];
  const child = spawn("wrk", words, { stdio: ["ignore", "pipe", "inherit"] });
  atEnd(() => void child.kill("SIGKILL"));
  const read = async () => {
    const said = await text(child.stdout);
    return JSON.parse(said.trim().split("\n").at(-1) ?? "") as Load;
  };
  return { stop: () => void child.kill("SIGINT"), done: read() };
}
