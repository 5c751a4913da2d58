import { startCandidates } from "./candidates.ts";
import type { Candidates, ManagedEntry, ManagedTotals } from "./managed-store.ts";
import { isUnmeasured, readEntries, readEntry, type RedisRegister } from "./redis-entries.ts";
import { TABLES } from "./redis-lua.ts";
import { COUNT, MEND, SCAN, SETTLE, STRANGERS } from "./redis-scripts.ts";

/** An entry of ours, and whether its size is yet to be measured. */
interface Scanned {
  readonly entry: ManagedEntry;
  readonly isMeasured: boolean;
}

type Sums = Pick<ManagedTotals, "directories" | "bytes" | "pinned">;

/** All entries as columns, read in pieces of a few thousand. */
export async function readCandidates(register: RedisRegister): Promise<Candidates> {
  const columns = startCandidates((await count(register)).own);
  for await (const { entry } of scan(register)) columns.add(entry);
  for (const entry of await strangers(register)) columns.add(entry);
  return columns.finish();
}

/**
 * How many entries there are, with the sums of their bytes and pins: added up, unless nothing has changed since they were
 * last. Sets `cache:bytes` to the sum, unless something is yet to be measured or was changed meanwhile.
 */
export async function readSums(register: RedisRegister): Promise<Sums> {
  const { own, members, version, last } = await count(register);
  const settle = ({ directories, bytes, pinned }: Sums) =>
    register.link.run(SETTLE, [...register.words(), version, ...[directories, bytes, pinned].map(String)]);
  if (last.version === version && Number(last.directories) === own && own === members) {
    const sums = { directories: own, bytes: Number(last.bytes), pinned: Number(last.pinned) };
    await settle(sums);
    return sums;
  }
  const sums = { directories: 0, bytes: 0, pinned: 0 };
  let unmeasured = 0;
  for await (const { entry, isMeasured } of scan(register)) {
    sums.directories += 1;
    sums.bytes += entry.bytes;
    if (entry.isPinned) sums.pinned += 1;
    if (!isMeasured) unmeasured += 1;
  }
  const others = await strangers(register);
  if (unmeasured === 0 && others.length === 0) await settle(sums);
  return { ...sums, directories: sums.directories + others.length };
}

/** Goes through all entries of ours once, and puts back what others took of them from the shared keys. */
export async function* scan(register: RedisRegister): AsyncGenerator<Scanned> {
  for (let table = 0; table < TABLES;) {
    register.goOn();
    const page = await register.link.run(SCAN, [...register.words(), String(table)]);
    const [next, packed] = page as readonly [number, string];
    const lacking: string[] = [];
    const words = packed.split("\0");
    for (let index = 0; index + 3 < words.length; index += 4) {
      const [path = "", text = "", score = "", left = ""] = words.slice(index, index + 4);
      const entry = readEntry(register, path, text, score);
      if (score === "" || isShort(register, entry, Number(left))) lacking.push(path);
      yield { entry, isMeasured: !isUnmeasured(text) };
    }
    for (let start = 0; start < lacking.length; start += 500) {
      await register.link.run(MEND, [...register.words(), ...lacking.slice(start, start + 500)]);
    }
    table = next;
  }
}

/** Whether the shared key of an entry is gone, or will be before the entry expires. */
function isShort({ ttl, now }: RedisRegister, entry: ManagedEntry, left: number): boolean {
  if (left === -1) return false;
  if (ttl === undefined || entry.isPinned) return true;
  const due = (entry.accessedAt + ttl - now()) / 1000;
  return due > 0 && left + 2 < due;
}

/** The entries that only another program wrote. Looks for them only when there are more members than we know. */
async function strangers(register: RedisRegister): Promise<readonly ManagedEntry[]> {
  const { own, members } = await count(register);
  if (members <= own) return [];
  const found = new Map<string, ManagedEntry>();
  let cursor = "0";
  do {
    register.goOn();
    const page = (await register.link.run(STRANGERS, [...register.words(), cursor])) as readonly string[];
    cursor = page[0] ?? "0";
    // A scan of Redis may meet a member twice.
    for (const entry of readEntries(register, page.slice(1))) found.set(entry.path, entry);
  } while (cursor !== "0");
  return [...found.values()];
}

async function count(register: RedisRegister) {
  const answer = await register.link.run(COUNT, register.words());
  const [own, members, version, sums] = answer as readonly [number, number, string, readonly string[]];
  const [of, directories, bytes, pinned] = sums;
  return { own, members, version, last: { version: of, directories, bytes, pinned } };
}
