package projector

import "github.com/turnout-events/turnout/internal/redisconn"

// swapKey puts a key's new state in the place of the live one and says how they
// compared. ARGV[1] is what the live version was before the log was read on, so
// a live one that is newer than the new state and has changed since is traffic's,
// and stays; one that has not changed is not of this log, and goes. The replaced
// state stays under KEYS[3] for ARGV[2] seconds, 0 for not at all.
var swapKey = redisconn.NewScript("swap-key", `
local function state(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil end
  if kind == 'string' then return {v = redis.call('GET', key), n = 0, all = {}} end
  local all, s = redis.call('HGETALL', key), {all = {}, n = 0}
  for i = 1, #all, 2 do s.all[all[i]] = all[i+1]; s.n = s.n + 1 end
  s.v = s.all.v or ''
  return s
end
local function same(a, b)
  if a.v ~= b.v or a.n ~= b.n then return false end
  for k, v in pairs(a.all) do if b.all[k] ~= v then return false end end
  return true
end
local live, new = state(KEYS[1]), state(KEYS[2])
if not live and not new then return 'gone' end
if live and new and same(live, new) then
  redis.call('DEL', KEYS[2])
  return 'same'
end
local l, n = live and tonumber(live.v), new and tonumber(new.v)
if live and live.v ~= ARGV[1] and not (l and n and l <= n) then
  redis.call('DEL', KEYS[2])
  return 'same'
end
local found = 'differ'
if not live or l and n and n > l then found = 'newer'
elseif not new then found = 'missing'
elseif l and n and n < l then found = 'older' end
if live and found ~= 'newer' and tonumber(ARGV[2]) > 0 then
  redis.call('RENAME', KEYS[1], KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[2])
end
if not new then
  redis.call('DEL', KEYS[1])
  return found
end
redis.call('RENAME', KEYS[2], KEYS[1])
if ARGV[3] ~= '' then
  local body = redis.call('HGET', KEYS[1], 'b')
  if found == 'newer' then
    redis.call('PUBLISH', ARGV[3], body)
  else
    redis.call('PUBLISH', ARGV[3], string.sub(body, 1, -2) .. ',"repaired":true}')
  end
end
return found`)

// restoreKey puts back what swapKey replaced, unless something newer has come
// since. What it takes away is no longer kept.
var restoreKey = redisconn.NewScript("restore-key", `
if redis.call('EXISTS', KEYS[2]) == 0 then return 'gone' end
if redis.call('EXISTS', KEYS[1]) == 1 then
  if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'newer' end
  local live, old = redis.call('HGET', KEYS[1], 'v'), redis.call('HGET', KEYS[2], 'v')
  if tonumber(live or '') and tonumber(live) > (tonumber(old or '') or 0) then return 'newer' end
end
redis.call('PERSIST', KEYS[2])
redis.call('RENAME', KEYS[2], KEYS[1])
if ARGV[1] ~= '' then
  local body = redis.call('HGET', KEYS[1], 'b')
  if body and string.sub(body, -1) == '}' then
    redis.call('PUBLISH', ARGV[1], string.sub(body, 1, -2) .. ',"repaired":true}')
  end
end
return 'restored'`)
