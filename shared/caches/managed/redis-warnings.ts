import { printable } from "../../printable.ts";
import type { RedisRegister } from "./redis-entries.ts";
import { NEWCOMERS } from "./redis-scripts.ts";

const RECENT_MS = 7 * 86_400_000;
const CLEANER =
  "That program's cleaner deletes every directory below its root that has no dir: key of its own, also inside registered directories and in our quarantine: stop it (POST /cleaner/stop of the FastAPI backend).";

/** What other programs do at the same keys that is dangerous, in words for the operator. */
export async function warnOfOthers(register: RedisRegister, shared: string, own: string): Promise<readonly string[]> {
  const locks = await readLocks(register, `${shared}lock:dir:`);
  const seen = await register.link.ask((client) => client.hGetAll(`${own}seen`));
  const isRecent = (time: string | undefined): time is string =>
    time !== undefined && register.now() - Number(time) < RECENT_MS;
  const newcomers = await readNewcomers(register);
  const info = await register.link.ask((client) => client.info("memory"));
  const cleaning = locks.find(({ value }) => value === "cleaning");
  const stuck = locks.filter(({ seconds }) => seconds === -1);
  const warnings: string[] = [];
  if (cleaning !== undefined) {
    warnings.push(`Another program is cleaning ${shown(cleaning.path)} now, or died at it. ${CLEANER}`);
  } else if (isRecent(seen["cleaning"])) {
    warnings.push(`Another program was met cleaning directories at ${timeOf(seen["cleaning"])}. ${CLEANER}`);
  } else if (newcomers.length > 0) {
    warnings.push(`Another program registers directories here, such as ${shown(newcomers[0] ?? "")}. ${CLEANER}`);
  }
  if (isRecent(seen["vanished"])) {
    warnings.push(
      `At ${timeOf(seen["vanished"])} dir: keys were gone that should have lived on, and were put back: another program cleared its cache, or managed.ttl was made longer.`,
    );
  }
  if (stuck.length > 0) {
    const names = stuck.slice(0, 3).map(({ path, value }) => `${shown(path)} (${shown(value)})`);
    const more = stuck.length > 3 ? `, and ${stuck.length - 3} more` : "";
    warnings.push(
      `${stuck.length === 1 ? "A lock" : `${stuck.length} locks`} without an end, on ${names.join(", ")}${more}: whoever took it may be at work or dead, so what it locks is never removed. When no other program is running, delete it: redis-cli DEL ${shown(`${shared}lock:dir:${stuck[0]?.path}`)}`,
    );
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? "noeviction";
  if (policy !== "noeviction" && !/^maxmemory:0\b/m.test(info)) {
    warnings.push(
      `Redis throws out keys when its memory is full (maxmemory-policy ${printable(policy)}): directories lose their registration and their pin then. Set it to noeviction.`,
    );
  }
  return warnings;
}

const shown = (text: string) => `"${printable(text).slice(0, 200)}"`;

const timeOf = (milliseconds: string) => new Date(Number(milliseconds)).toISOString();

interface Lock {
  readonly path: string;
  readonly value: string;
  /** -1: it never ends by itself. */
  readonly seconds: number;
}

async function readLocks({ link, goOn }: RedisRegister, prefix: string): Promise<readonly Lock[]> {
  const keys = new Set<string>();
  let cursor = "0";
  do {
    goOn();
    const from = cursor;
    const page = await link.ask((client) => client.scan(from, { MATCH: `${escapePattern(prefix)}*`, COUNT: 5000 }));
    for (const key of page.keys) keys.add(key);
    cursor = page.cursor;
  } while (cursor !== "0");
  const locks: Lock[] = [];
  for (const key of keys) {
    const [value, seconds] = await link.ask((client) => Promise.all([client.get(key), client.ttl(key)]));
    if (value !== null) locks.push({ path: key.slice(prefix.length), value, seconds });
  }
  return locks;
}

async function readNewcomers({ link, words, now }: RedisRegister): Promise<readonly string[]> {
  const answer = (await link.run(NEWCOMERS, words())) as readonly string[];
  return answer.filter((_, index) => index % 2 === 0 && now() - Number(answer[index + 1]) < RECENT_MS);
}

const escapePattern = (text: string) => text.replace(/[\\*?[\]]/g, "\\$&");
