-- The pace of one provider quota, shared by the fleet. All times are the Redis server's, in
-- microseconds. The same law in Python is service/inference/pacing.py.
--
-- KEYS[1]  hash: rate (starts per second), next (the first start not yet handed out),
--          cut_at and failing_rate (the last 429), seen_at (the last call of this script)
-- KEYS[2]  sorted set of the governors at work, by the time of their last lease
-- lease    ceiling burst_seconds lease_seconds governor
--          -> {wait until the first start, interval between starts, starts, governors at work}
-- cut      ceiling factor quiet_seconds floor
--          -> {1 when the rate was cut, 0 when it had just been}

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local operation, ceiling = ARGV[1], tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'rate', 'next', 'cut_at', 'failing_rate', 'seen_at')
local rate = math.min(tonumber(state[1]) or ceiling, ceiling)
local next_start = tonumber(state[2]) or 0
local cut_at = tonumber(state[3]) or 0
local failing_rate = tonumber(state[4]) or ceiling
local elapsed = math.max(0, now - (tonumber(state[5]) or now)) / 1000000
local quiet = math.max(0, now - cut_at) / 1000000

-- After a second without a 429: quickly up to the rate that failed, then slowly and ever faster.
-- With a steady slow probe a fleet that met a greedy neighbour stayed near zero for minutes.
if rate < ceiling and quiet > 1 then
  local growth = 0.10
  if rate >= 0.95 * failing_rate then
    growth = math.min(0.25, 0.002 * 2 ^ math.min(quiet / 2, 20))
  end
  rate = math.min(ceiling, rate * math.exp(growth * elapsed))
end

local answer
if operation == 'lease' then
  local burst, lease = tonumber(ARGV[3]), tonumber(ARGV[4])
  local interval = 1000000 / rate
  local starts = math.max(1, math.floor(rate * lease))
  -- An hour ahead is no queue but a clock that was set back.
  if next_start > now + 3600000000 then next_start = now end
  local first = math.max(next_start, now - burst * 1000000 * rate / ceiling)
  next_start = first + starts * interval
  redis.call('ZADD', KEYS[2], now, ARGV[5])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 10000000)
  redis.call('EXPIRE', KEYS[2], 3600)
  answer = {math.floor(first - now), math.floor(interval), starts, redis.call('ZCARD', KEYS[2])}
else
  local factor, quiet_seconds, floor = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  answer = {0}
  if quiet > quiet_seconds then
    failing_rate, cut_at = rate, now
    rate = math.max(rate * factor, floor)
    next_start = math.max(next_start, now)
    answer = {1}
  end
end

redis.call('HSET', KEYS[1], 'rate', tostring(rate), 'next', string.format('%.0f', next_start),
  'cut_at', string.format('%.0f', cut_at), 'failing_rate', tostring(failing_rate),
  'seen_at', string.format('%.0f', now))
redis.call('EXPIRE', KEYS[1], 3600)
return answer
