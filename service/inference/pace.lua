-- The pace of one provider quota, shared by a fleet. Seconds throughout; time is the Redis
-- server's. The same algorithm in Python, with the reasons, is pace.py.
--
-- KEYS     1 hash: rate and next starts by requests and tokens    2 zset: flows at work, until when
--          3 hash: governor -> "seen_at in_flight waiting"        4 zset: the quotas there are
--          5 hash: what was set while jobs run (quota_controls.py); it goes before ARGV
-- ARGV     operation ceiling tokens_per_second burst_seconds cap
--          governor in_flight waiting tokens_to_settle known_rate
--          constants (PaceConstants as JSON), and then for
--   lease  flow ("project job weight") credit tokens...   of the calls at the head of its queue
--   cut    hold_seconds
--   park   seconds
--   report, resume  nothing
-- returns  parked_seconds verdict rate governors, and for a lease: credit, seconds until each start.
--          verdict: of a lease the pause before the next request, of a cut 1 if the rate was cut

local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local operation, governor = ARGV[1], ARGV[6]
local control = redis.call('HMGET', KEYS[5], 'paused_seconds', 'ceiling', 'tokens_per_second', 'cap')
local paused = tonumber(control[1]) or 0 -- how long a call has to wait before it asks again
local ceiling, tokens_rate = tonumber(control[2] or ARGV[2]), tonumber(control[3] or ARGV[3])
local burst, cap = tonumber(ARGV[4]), tonumber(control[4] or ARGV[5])
local constants = cjson.decode(ARGV[11])

-- `line` and `token_line` are the next starts: workers of two versions share the hash.
local names = {'rate', 'line', 'token_line', 'cut_at', 'failing_rate', 'seen_at', 'parked_until', 'peak'}
local held = redis.call('HMGET', KEYS[1], unpack(names))
local seen_at = tonumber(held[6]) or now
local back = math.max(0, seen_at - now) -- a clock that was set back moves all times with it
local function moment(index) return (tonumber(held[index]) or 0) - back end
local next_start_at, next_token_start_at, cut_at, parked_until = moment(2), moment(3), moment(4), moment(7)
local failing_rate = tonumber(held[5]) or ceiling
local elapsed = math.max(0, now - seen_at)
local peak = (tonumber(held[8]) or 0) * math.exp(-elapsed / constants.peak_seconds)
local rate = tonumber(held[1]) or tonumber(ARGV[10])
if not held[1] and rate > 0 then next_start_at = now + burst end -- Redis was wiped amid the work
if rate <= 0 then rate = ceiling > 0 and ceiling or constants.first_rate end

local function limit(value)
  if ceiling > 0 then return math.min(value, ceiling) end
  return value
end
rate = limit(rate)

local function growth()
  local quiet = now - cut_at
  if failing_rate == 0 then return 1 end
  if quiet <= constants.growth_after_seconds then return 0 end
  if rate < constants.near_failing * failing_rate then return constants.fast_growth end
  local doublings = quiet / constants.probe_doubling_seconds
  return math.min(constants.largest_probe, constants.first_probe * 2 ^ math.min(doublings, 20))
end
local function grow(seconds) rate = limit(rate * math.exp(math.min(1, growth() * seconds))) end
if ceiling > 0 then grow(elapsed) end

local scale = ceiling > 0 and rate / ceiling or 1
if tokens_rate > 0 then
  next_token_start_at = math.max(next_token_start_at, now) + tonumber(ARGV[9]) / (tokens_rate * scale)
end

local function counts()
  local in_flight, stale = 0, {}
  local entries = redis.call('HGETALL', KEYS[3])
  for index = 1, #entries, 2 do
    local at, calls = string.match(entries[index + 1], '^(%S+) (%S+)')
    if math.abs(now - tonumber(at)) > constants.stale_seconds then stale[#stale + 1] = entries[index]
    else in_flight = in_flight + tonumber(calls) end
  end
  if #stale > 0 then redis.call('HDEL', KEYS[3], unpack(stale)) end
  return in_flight
end
local function count_calls(granted)
  local calls, waiting = tonumber(ARGV[7]) + granted, tonumber(ARGV[8])
  if calls + waiting == 0 then
    redis.call('HDEL', KEYS[3], governor)
  else
    redis.call('HSET', KEYS[3], governor, string.format('%.6f %d %d', now, calls, waiting))
  end
end

local function shares(member)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], now + 3600, '+inf')
  redis.call('ZADD', KEYS[2], now + 1, member)
  local projects, total, weight_of, members = 0, {}, {}, {}
  for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local job, project, weight = string.match(name, '^((%S+) %S+) (%S+)')
    if not total[project] then projects, total[project] = projects + 1, 0 end
    if not members[job] then
      members[job], weight_of[job] = 0, tonumber(weight)
      total[project] = total[project] + weight_of[job]
    end
    members[job] = members[job] + 1
  end
  local mine, smallest = 1, 1
  for job, count in pairs(members) do
    local project = string.match(job, '^%S+')
    local share = weight_of[job] / total[project] / projects / count
    smallest = math.min(smallest, share)
    if string.sub(member, 1, #job + 1) == job .. ' ' then mine = share end
  end
  return mine, smallest
end

local verdict, credit, waits = 0, 0, {}
count_calls(0)
if operation == 'lease' and parked_until <= now and paused == 0 then
  local member = ARGV[12] .. ' ' .. governor
  local room = cap > 0 and cap - counts() or math.huge
  local share, smallest = shares(member)
  local slack = burst * scale
  local quantum, active_until = nil, now
  credit = tonumber(ARGV[13])
  for index = 14, #ARGV do
    if #waits >= room then break end
    local cost, tokens = 1 / rate, 0
    if tokens_rate > 0 then tokens = tonumber(ARGV[index]) / (tokens_rate * scale) end
    peak = math.max(peak, tokens)
    if not quantum then
      quantum = share * math.min(constants.round_seconds,
        math.max(constants.lease_seconds, math.max(peak, cost) / smallest))
      credit = math.min(credit, quantum) + quantum
    end
    if #waits > 0 and credit <= constants.epsilon then break end
    local start = math.max(now, next_start_at - slack)
    if tokens > 0 then
      start = math.max(start, next_token_start_at - burst + math.min(tokens, burst))
      next_token_start_at = math.max(next_token_start_at, start) + tokens
    end
    next_start_at = math.max(next_start_at, start) + cost
    credit = credit - math.max(cost, tokens)
    active_until = start
    waits[#waits + 1] = start - now
  end
  if #waits == 0 then verdict, active_until = constants.retry_seconds, now + constants.retry_seconds end
  redis.call('ZADD', KEYS[2], active_until + constants.active_seconds, member)
  redis.call('EXPIRE', KEYS[2], 3600)
  if ceiling == 0 then grow(#waits / rate) end
  count_calls(#waits)
elseif operation == 'cut' then
  local hold = tonumber(ARGV[12])
  if now - cut_at > constants.cut_quiet_seconds then
    verdict = 1
    local factor = failing_rate == 0 and constants.first_cut_factor or constants.cut_factor
    failing_rate, cut_at, rate = rate, now, math.max(rate * factor, constants.floor_per_second)
    next_start_at = math.max(next_start_at, now + burst)
    next_token_start_at = math.max(next_token_start_at, now + burst)
  end
  next_start_at = math.max(next_start_at, now + burst + hold)
elseif operation == 'park' then
  parked_until = math.max(parked_until, now + tonumber(ARGV[12]))
elseif operation == 'resume' then
  next_start_at = math.max(next_start_at, now + burst)
elseif operation == 'report' then
  counts()
  redis.call('ZADD', KEYS[4], now, KEYS[1])
  redis.call('HSET', KEYS[1], 'ceiling', string.format('%.6f', ceiling),
    'tokens_per_second', string.format('%.6f', tokens_rate), 'cap', string.format('%d', cap))
end

local values = {rate, next_start_at, next_token_start_at, cut_at, failing_rate, now, parked_until, peak}
local fields = {}
for index, name in ipairs(names) do
  fields[#fields + 1] = name
  fields[#fields + 1] = string.format('%.6f', values[index])
end
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('EXPIRE', KEYS[1], 604800)
redis.call('EXPIRE', KEYS[3], 3600)

local answer = {math.max(0, parked_until - now, paused), verdict, rate, redis.call('HLEN', KEYS[3])}
if operation == 'lease' then
  answer[5] = credit
  for _, wait in ipairs(waits) do answer[#answer + 1] = wait end
end
for index, value in ipairs(answer) do answer[index] = string.format('%.6f', value) end
return answer
