"""The decisions about turns, as Valkey takes them: each script is one atomic step.

State of an interface is a hash: ``parked`` (until when), ``pace`` (calls a second, as of
``since``), ``next`` (when the next call at that pace is due), ``second`` (the one we are in), its
``count`` of calls and that of the second ``before``. Each window is a hash of counts by
tenths of its length, of which eleven are summed: at no moment more than its count in its seconds.
"""

from __future__ import annotations

from typing import Final

_CLOCK = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
"""

#: KEYS: state, windows…  ARGV: patience, recovery, then count and seconds of each window.
TAKE: Final = (
    _CLOCK
    + """
local state = redis.call('HMGET', KEYS[1],
  'parked', 'pace', 'since', 'next', 'second', 'count', 'before')
local parked = tonumber(state[1] or 0)
if parked > now then return {'parked', string.format('%.3f', parked - now)} end

local buckets, full = {}, 0
for i = 2, #KEYS do
  local most, seconds = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local width = seconds / 10
  local bucket = math.floor(now / width)
  local counts = redis.call('HGETALL', KEYS[i])
  local used, oldest = 0, bucket
  for j = 1, #counts, 2 do
    local at = tonumber(counts[j])
    if at < bucket - 10 then
      redis.call('HDEL', KEYS[i], counts[j])
    else
      used = used + tonumber(counts[j + 1])
      if at < oldest then oldest = at end
    end
  end
  if used >= most then full = math.max(full, (oldest + 11) * width - now) end
  buckets[i] = bucket
end
if full > 0 then return {'full', string.format('%.3f', full)} end

local wait = 0
if state[2] then
  local pace = tonumber(state[2]) + tonumber(ARGV[2]) * (now - tonumber(state[3]))
  if pace >= tonumber(ARGV[3]) / tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[1], 'pace', 'since', 'next')
  else
    local due = math.max(tonumber(state[4]), now)
    wait = due - now
    if wait > tonumber(ARGV[1]) then return {'slow', string.format('%.3f', wait)} end
    redis.call('HSET', KEYS[1], 'next', string.format('%.6f', due + 1 / pace))
  end
end

for i = 2, #KEYS do
  redis.call('HINCRBY', KEYS[i], string.format('%d', buckets[i]), 1)
  redis.call('EXPIRE', KEYS[i], math.ceil(tonumber(ARGV[2 * i]) * 1.2) + 1)
end
local second, count, before = math.floor(now), tonumber(state[6] or 0), tonumber(state[7] or 0)
local known = tonumber(state[5] or 0)
if second > known then
  before = (second == known + 1) and count or 0
  count = 0
end
redis.call('HSET', KEYS[1], 'second', string.format('%d', second),
  'count', string.format('%d', count + 1), 'before', string.format('%d', before))
if known == 0 then redis.call('EXPIRE', KEYS[1], 7200) end
return {'taken', string.format('%.3f', wait)}
"""
)

#: KEYS: state.  ARGV: seconds the first time, seconds on repetition, what counts as repetition.
PARK: Final = (
    _CLOCK
    + """
local parked = tonumber(redis.call('HGET', KEYS[1], 'parked') or 0)
if parked > now then return string.format('%.3f', parked - now) end
local seconds = tonumber(ARGV[1])
if parked > 0 and now - parked < tonumber(ARGV[3]) then seconds = tonumber(ARGV[2]) end
redis.call('HSET', KEYS[1], 'parked', string.format('%.6f', now + seconds))
redis.call('EXPIRE', KEYS[1], 7200)
return string.format('%.3f', seconds)
"""
)

#: KEYS: state.  ARGV: floor, recovery. The pace we had is the busier one of two seconds.
SLOW_DOWN: Final = (
    _CLOCK
    + """
local state = redis.call('HMGET', KEYS[1], 'pace', 'since', 'second', 'count', 'before')
if state[2] and now - tonumber(state[2]) < 1 then return end
local pace = 0
if tonumber(state[3] or 0) >= math.floor(now) - 1 then
  pace = math.max(tonumber(state[4]), tonumber(state[5]))
end
if state[1] then
  pace = math.min(pace, tonumber(state[1]) + tonumber(ARGV[2]) * (now - tonumber(state[2])))
end
pace = math.max(pace / 2, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'pace', string.format('%.6f', pace),
  'since', string.format('%.6f', now), 'next', string.format('%.6f', now + 1 / pace))
redis.call('EXPIRE', KEYS[1], 7200)
"""
)
