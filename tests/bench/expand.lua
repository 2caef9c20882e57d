--- What one would write in plain Lua: a protocol expanded into three arrays, all at once.
local M = {}

--- iTBS on and on: 3 pulses at 50 Hz, ten bursts at 5 Hz, a train every 10 s.
---@param pulses integer
---@return integer count
function M.itbs(pulses)
  local onset, intensity, channel = {}, {}, {}
  local count = 0
  for train = 0, pulses // 30 - 1 do
    for burst = 0, 9 do
      for pulse = 0, 2 do
        count = count + 1
        onset[count] = train * 10.0 + burst / 5 + pulse / 50
        intensity[count] = 50
        channel[count] = 1
      end
    end
  end
  return math.min(#onset, #intensity, #channel)
end

--- Twelve levels of pairs, repeated.
---@param pulses integer
---@return integer count
function M.deep(pulses)
  local onset, intensity, channel = {}, {}, {}
  local count = 0
  local function expand(level, at)
    if level == 0 then
      count = count + 1
      onset[count], intensity[count], channel[count] = at, 50, 1
    else
      expand(level - 1, at)
      expand(level - 1, at + 0.01 * 2 ^ (level - 1))
    end
  end
  for k = 0, pulses // 4096 - 1 do
    expand(12, k * 40.96)
  end
  return math.min(#onset, #intensity, #channel)
end

return M
