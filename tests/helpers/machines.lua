--- Machines on which a run must leave the same bytes: each differs from this one in something that no run may
--- hang on. Lua's order of keys is another in each process; the garbage collector comes when it likes; a busy
--- computer is slow; and the wall clock is anywhen.
local core = require "moonpulse.core"

local M = {}

local day_ns = 86400000000000

--- A pairs whose order is drawn: as Lua's own would be in a process number seed.
local function shuffled(seed)
  local plain, state = pairs, seed
  local function draw(most)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % most + 1
  end
  return function(of)
    local metatable = debug.getmetatable(of)
    if type(of) ~= "table" or metatable and metatable.__pairs then
      return plain(of)
    end
    local keys, at = {}, 0
    for key in next, of do
      table.insert(keys, draw(#keys + 1), key)
    end
    return function()
      repeat
        at = at + 1
      until keys[at] == nil or rawget(of, keys[at]) ~= nil
      return keys[at], rawget(of, keys[at] == nil and 0 or keys[at])
    end
  end
end

--- What each changes: put(owner, key, value) until the run is over.
---@type { name: string, change: fun(put: fun(owner: table, key: string, value: any)) }[]
M.all = {
  { name = "this one", change = function() end },
  { name = "another order of keys", change = function(put) put(_G, "pairs", shuffled(1)) end },
  { name = "one more order of keys", change = function(put) put(_G, "pairs", shuffled(2)) end },
  { name = "garbage is collected all the time", change = function(put)
    local clock_ns, looks = core.clock_ns, 0
    put(core, "clock_ns", function()
      looks = looks + 1
      if looks % 40 == 0 then
        collectgarbage()
      end
      return clock_ns()
    end)
  end },
  { name = "each look at the clock takes 0.1 s", change = function(put)
    local real_ns, passed_ns = core.real_ns, 0
    put(core, "real_ns", function()
      passed_ns = passed_ns + day_ns // 864000
      return real_ns() + passed_ns
    end)
  end },
  { name = "tomorrow", change = function(put)
    local wall_ns = core.wall_ns
    put(core, "wall_ns", function() return wall_ns() + day_ns end)
  end },
}

--- Call it on this machine.
---@param machine table of M.all
---@param call function
---@return any ... what it returns
function M.on(machine, call, ...)
  local before = {}
  local restored <close> = setmetatable({}, { __close = function() -- luacheck: ignore 211
    for i = #before, 1, -1 do
      before[i][1][before[i][2]] = before[i][3]
    end
  end })
  machine.change(function(owner, key, value)
    before[#before + 1] = { owner, key, owner[key] }
    owner[key] = value
  end)
  return call(...)
end

return M
