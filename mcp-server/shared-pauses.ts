import { memoryOf, setPaused, type RedisLink, type Schedule, type State } from "@cache-ops/shared";

/** Hash of our own: schedule → "1" or "0" for paused, and when that was said (ms since 1970). The latest word counts. */
const KEY = "cacheops:paused";
const OFFER = `
local known = redis.call('HGET', ARGV[1], ARGV[2])
local at = known and tonumber(string.sub(known, 3)) or 0
if at >= tonumber(ARGV[4]) then return known or false end
local value = ARGV[3] .. ' ' .. ARGV[4]
redis.call('HSET', ARGV[1], ARGV[2], value)
return value`;

/** Brings what was paused or resumed here to the other hosts, and what was there to here. */
export async function sharePauses(link: RedisLink, schedules: readonly Schedule[], state: State): Promise<void> {
  for (const schedule of schedules) {
    const { isPaused = false, pausedAt = 0 } = memoryOf(state, schedule.name) ?? {};
    const words = [KEY, schedule.name, isPaused ? "1" : "0", String(pausedAt)];
    const answer = await link.ask((client) => client.eval(OFFER, { arguments: words }));
    const [, paused, at] = /^([01]) (\d+)$/.exec(typeof answer === "string" ? answer : "") ?? [];
    if (at !== undefined && Number(at) > pausedAt) setPaused(state, [schedule], paused === "1", Number(at));
  }
}
