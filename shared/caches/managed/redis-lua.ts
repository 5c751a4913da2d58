import { createHash } from "node:crypto";

import type { RedisScript } from "../../redis-link.ts";

/*
 * What changes the register, as Lua: each script is done whole or not at all, whoever else is at the same keys.
 *
 * Their words: 1 our prefix, 2 the prefix of the shared keys, 3 the TTL in milliseconds or "", 4 the time in
 * milliseconds, then their own. They name keys as they go, so a Redis Cluster does not run them.
 *
 * Under our prefix:
 *   entries:{0…1023}  hash  path → "bytes files registered used accesses pinned refill"; a path's table is the one its
 *                           SHA-1 says, so each can be read in one piece and nothing is ever seen twice
 *   counters          hash  hits, misses, evictions, reclaimedBytes
 *   version           how often anything changed that sums are made of
 *   sums              hash  the last sums, with the version they are of
 *   seen              hash  what was met of other programs, and when
 * Times are in milliseconds. `files` is "-" while the size was not measured, `refill` where nothing is known.
 *
 * Under the prefix of the shared keys, as the backend writes them: dir:{path}, cache:lru, cache:bytes, lock:dir:{path}.
 * When an entry was last used is the later of `used` and its score there: the backend touches only its own keys.
 */

/** How many tables the entries are spread over. */
export const TABLES = 1024;

const COMMON = `
local own, shared, ttl, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lru = shared .. 'cache:lru'
local function tableOf(path)
  return own .. 'entries:' .. math.floor(tonumber(string.sub(redis.sha1hex(path), 1, 3), 16) / 4)
end
local function whole(number) return string.format('%.0f', number) end
-- Seconds, as Python's str(time.time()) writes them.
local function seconds(ms)
  local text = string.format('%.14g', ms / 1000)
  if not string.find(text, '.', 1, true) then text = text .. '.0' end
  return text
end
local function usedOf(path)
  local score = tonumber(redis.call('ZSCORE', lru, path))
  if score and score >= 0 and score < 1e11 then return math.floor(score * 1000 + 0.5) end
end
local function parse(text, used, home)
  local bytes, files, registered, ours, accesses, pinned, refill =
    string.match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  ours = tonumber(ours)
  return {
    bytes = tonumber(bytes), files = files, registered = registered, used = math.max(ours, used or ours),
    accesses = tonumber(accesses), pinned = pinned, refill = refill, home = home
  }
end
local function format(e)
  return table.concat({
    whole(e.bytes), e.files, e.registered, whole(e.used), whole(e.accesses), e.pinned, e.refill
  }, ' ')
end
local function read(path)
  local home = tableOf(path)
  local text = redis.call('HGET', home, path)
  local used = usedOf(path)
  if text then return parse(text, used, home) end
  if not used then return nil, home end
  local since = tonumber(redis.pcall('GET', shared .. 'dir:' .. path))
  if not (since and since > 0 and since < 1e11) then since = used / 1000 end
  return {
    bytes = 0, files = '-', registered = whole(since * 1000), used = used, accesses = 0,
    pinned = '0', refill = '-', home = home, isForeign = true
  }
end
-- What is said of an entry: for one that only the backend knows, with the rest of its key's life.
local function tell(path, e)
  if e.isForeign then return format(e) .. ' ' .. redis.call('PTTL', shared .. 'dir:' .. path) end
  return format(e)
end
local function save(path, e)
  redis.call('ZADD', lru, seconds(e.used), path)
  redis.call('HSET', e.home, path, format(e))
end
local function secondsLeft(e, at)
  if ttl and e.pinned == '0' then return math.ceil((e.used + ttl - at) / 1000) end
end
-- Keeps the key without which the backend's cleaner removes the directory, and those of the levels above.
local function keep(path, e, at)
  local left, key = secondsLeft(e, at), shared .. 'dir:' .. path
  if not left then
    if redis.call('EXISTS', key) == 1 then redis.call('PERSIST', key) else redis.call('SET', key, seconds(at)) end
  elseif left > 0 then
    if redis.call('EXPIRE', key, left) == 0 then redis.call('SET', key, seconds(at), 'EX', left) end
  else
    if redis.call('TTL', key) == -1 then redis.call('DEL', key) end
    return
  end
  local above = string.match(path, '^(.*)/[^/]*$')
  while above do
    local key = shared .. 'dir:' .. above
    local rest = redis.call('TTL', key)
    if rest == -2 then redis.call('SET', key, seconds(at)) end
    if left and rest ~= -1 and rest < left then redis.call('EXPIRE', key, left) end
    if not left and rest >= 0 then redis.call('PERSIST', key) end
    above = string.match(above, '^(.*)/[^/]*$')
  end
end
local function resize(delta)
  redis.call('INCR', own .. 'version')
  -- Whatever another program made of it: sums that are settled set it right.
  if delta ~= 0 then redis.pcall('INCRBY', shared .. 'cache:bytes', whole(delta)) end
end
local function countOwn()
  local count = 0
  for number = 0, ${TABLES - 1} do count = count + redis.call('HLEN', own .. 'entries:' .. number) end
  return count
end
`;

/** A script of the register: `body` after what all of them share. */
export function registerScript(body: string): RedisScript {
  const text = COMMON + body;
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}
