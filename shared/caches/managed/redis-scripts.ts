import { registerScript, TABLES } from "./redis-lua.ts";

// The words of each from the fifth on: what the first four are stands in redis-lua.ts.

/** 5 path, bytes, files, refill ("" as before), used (""); and again for the next. */
export const REGISTER = registerScript(`
local delta = 0
for i = 5, #ARGV, 5 do
  local path, bytes, told = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 4])
  local e, home = read(path)
  if not e then
    e = { bytes = 0, files = '0', registered = whole(now), used = told or now, accesses = 0, pinned = '0', refill = '-' }
    e.home = home
  elseif told and told > e.used then
    e.used = told
  end
  -- What the backend counted for a directory that was never measured is in cache:bytes already.
  if e.files ~= '-' then delta = delta + bytes - e.bytes end
  e.bytes, e.files = bytes, ARGV[i + 2]
  if ARGV[i + 3] ~= '' then e.refill = ARGV[i + 3] end
  save(path, e)
  keep(path, e, now)
end
resize(delta)
`);

/** 5 path. Answers 1, or 0 for one that is not registered. */
export const TOUCH = registerScript(`
local path = ARGV[5]
local e = read(path)
if not e then redis.call('HINCRBY', own .. 'counters', 'misses', 1) return 0 end
e.accesses, e.used = e.accesses + 1, math.max(e.used, now)
save(path, e)
keep(path, e, now)
if e.isForeign then resize(0) end
redis.call('HINCRBY', own .. 'counters', 'hits', 1)
return 1
`);

/** 5 path, 6 "1" or "0". Answers 1, or 0 for one that is not registered. */
export const PIN = registerScript(`
local path = ARGV[5]
local e = read(path)
if not e then return 0 end
e.pinned = ARGV[6]
save(path, e)
keep(path, e, now)
resize(0)
return 1
`);

/** 5… paths. Answers how many were registered. */
export const FORGET = registerScript(`
local count, delta = 0, 0
for i = 5, #ARGV do
  local path = ARGV[i]
  local e = read(path)
  if e then
    count = count + 1
    if e.files ~= '-' then delta = delta - e.bytes end
    redis.call('ZREM', lru, path)
    redis.call('HDEL', e.home, path)
    redis.call('DEL', shared .. 'dir:' .. path)
  end
end
if count > 0 then resize(delta) end
return count
`);

/** 5 path. Answers what is said of it, or nothing. */
export const GET = registerScript(`
local e = read(ARGV[5])
return e and tell(ARGV[5], e)
`);

/** 5 from, 6 to, 7 "newest" or "". Answers path, what is said of it, and so on; nothing while the index is incomplete. */
export const LIST = registerScript(`
if redis.call('ZCARD', lru) < countOwn() then return false end
local paths = redis.call(ARGV[7] == 'newest' and 'ZREVRANGE' or 'ZRANGE', lru, ARGV[5], ARGV[6])
local answer = {}
for _, path in ipairs(paths) do
  local e = read(path)
  if e then
    answer[#answer + 1] = path
    answer[#answer + 1] = tell(path, e)
  end
end
return answer
`);

/** Answers how many entries are ours, how many the shared index has, the version, and the last sums as {@link SETTLE} has them. */
export const COUNT = registerScript(`
local sums = redis.call('HMGET', own .. 'sums', 'version', 'directories', 'bytes', 'pinned')
return { countOwn(), redis.call('ZCARD', lru), redis.call('GET', own .. 'version') or '0', sums }
`);

/**
 * 5 number of a table. Reads tables from there on until it has a few thousand entries. Answers the number of the next
 * table (1024: done), and with a NUL between them: path, what is stored of it, its score in the shared index or "", the
 * seconds its key has left (-1: for ever; -2: it is gone).
 */
export const SCAN = registerScript(`
local number, parts, size = tonumber(ARGV[5]), {}, 0
while number < ${TABLES} and size < 8000 do
  local all = redis.call('HGETALL', own .. 'entries:' .. number)
  for i = 1, #all, 2 do
    parts[size + 1], parts[size + 2] = all[i], all[i + 1]
    parts[size + 3] = redis.call('ZSCORE', lru, all[i]) or ''
    parts[size + 4] = redis.call('TTL', shared .. 'dir:' .. all[i])
    size = size + 4
  end
  number = number + 1
end
return { number, table.concat(parts, '\\0') }
`);

/** 5… paths. Puts back what the shared keys lack of them, and notes when a key was gone that should have lived on. */
export const MEND = registerScript(`
for i = 5, #ARGV do
  local e = read(ARGV[i])
  if e and not e.isForeign then
    local left = secondsLeft(e, now)
    if (not left or left > 60) and redis.call('EXISTS', shared .. 'dir:' .. ARGV[i]) == 0 then
      redis.call('HSET', own .. 'seen', 'vanished', whole(now))
    end
    save(ARGV[i], e)
    keep(ARGV[i], e, now)
  end
end
`);

/** 5 cursor. Answers the next cursor, then path and what is said of it for members of the index that are not ours. */
export const STRANGERS = registerScript(`
local page = redis.call('ZSCAN', lru, ARGV[5], 'COUNT', 2000)
local answer = { page[1] }
for i = 1, #page[2], 2 do
  local path = page[2][i]
  if redis.call('HEXISTS', tableOf(path), path) == 0 then
    local e = read(path)
    if e then
      answer[#answer + 1] = path
      answer[#answer + 1] = tell(path, e)
    end
  end
end
return answer
`);

/**
 * 5 version, 6 how many entries, 7 bytes, 8 pinned. Remembers these sums and sets cache:bytes, unless something has
 * changed since that version.
 */
export const SETTLE = registerScript(`
local key = shared .. 'cache:bytes'
if (redis.call('GET', own .. 'version') or '0') ~= ARGV[5] then return end
local sums = own .. 'sums'
redis.call('HSET', sums, 'version', ARGV[5], 'directories', ARGV[6], 'bytes', ARGV[7], 'pinned', ARGV[8])
if (redis.pcall('GET', key) or '0') ~= ARGV[7] then redis.call('SET', key, ARGV[7]) end
`);

/** 5 directories, 6 bytes. */
export const COUNT_EVICTIONS = registerScript(`
redis.call('HINCRBY', own .. 'counters', 'evictions', ARGV[5])
redis.call('HINCRBY', own .. 'counters', 'reclaimedBytes', ARGV[6])
`);

/** 5 path, 6 token, 7 milliseconds. Answers 1, or 0 while somebody holds it or a directory above it. */
export const LEASE = registerScript(`
local path = ARGV[5]
while path do
  local holder = redis.call('GET', shared .. 'lock:dir:' .. path)
  if holder == 'cleaning' then redis.call('HSET', own .. 'seen', 'cleaning', whole(now)) end
  if holder then return 0 end
  path = string.match(path, '^(.*)/[^/]*$')
end
redis.call('SET', shared .. 'lock:dir:' .. ARGV[5], ARGV[6], 'NX', 'PX', ARGV[7])
return 1
`);

/** 5 path, 6 token. Lets go of a lease if it is still this one. */
export const RELEASE = registerScript(`
local key = shared .. 'lock:dir:' .. ARGV[5]
if redis.call('GET', key) == ARGV[6] then redis.call('DEL', key) end
`);

/** Answers, of the hundred members that were used last, the paths and scores of those that are not ours. */
export const NEWCOMERS = registerScript(`
local answer = {}
for _, path in ipairs(redis.call('ZREVRANGE', lru, 0, 99)) do
  if redis.call('HEXISTS', tableOf(path), path) == 0 then
    answer[#answer + 1] = path
    answer[#answer + 1] = whole(usedOf(path) or 0)
  end
end
return answer
`);
