--- What the gate's judge adds up, pulse by pulse: as the finders of trains hear it, whoever feeds them.
local instants = require "moonpulse.safety.instants"
local trains = require "moonpulse.safety.trains"

local M = {}

-- below whatever stands between the gate's walk and a finder
local Finder = getmetatable(trains.new(function() end)).__index
local kept = { "add", "add_run", "mark", "again" }

local function row(ns, rest, action)
  return { ns = ns, rest = rest or 0, value = action.intensity, ref = action.reference }
end

--- Listen to all finders.
---@param own table<string, function> the methods as they are
---@param rows table<table, table[]> by finder; gets what each hears
local function listen(own, rows)
  local function of(finder)
    rows[finder] = rows[finder] or {}
    return rows[finder]
  end
  function Finder:add(at, action, origin, rest)
    table.insert(of(self), row(at, rest, action))
    return own.add(self, at, action, origin, rest)
  end
  function Finder:add_run(at, count, period, action, origin, rest, period_rest)
    local list, before = of(self), #of(self)
    own.add_run(self, at, count, period, action, origin, rest, period_rest) -- the first ones come through add
    for i = #list - before, count - 1 do
      local its_at, its_rest = instants.later(at, rest, period, period_rest, i)
      list[#list + 1] = row(its_at, its_rest, action)
    end
  end
  function Finder:mark(...)
    local mark = own.mark(self, ...)
    mark.heard = #of(self)
    return mark
  end
  function Finder:again(mark, times, period, period_rest)
    local list = of(self)
    local last = #list
    for k = 1, times do
      for i = mark.heard + 1, last do
        local each = list[i]
        local ns, rest = instants.later(each.ns, each.rest, period, period_rest, k)
        list[#list + 1] = { ns = ns, rest = rest, value = each.value, ref = each.ref }
      end
    end
    return own.again(self, mark, times, period, period_rest)
  end
end

--- Listen while action runs.
---@param action fun(): any
---@return boolean ok
---@return any result or the error
---@return table<table, table[]> rows by finder
function M.during(action)
  local own, rows = {}, {}
  for _, name in ipairs(kept) do
    own[name] = Finder[name]
  end
  listen(own, rows)
  local ok, result = pcall(action)
  for name, method in pairs(own) do
    Finder[name] = method
  end
  return ok, result, rows
end

--- The pulses of all channels in the order of time.
---@param finders table<string, table> by channel, as a run's moonpulse.Given has them
---@param rows table<table, table[]> of during
---@return table[]
function M.rows(finders, rows)
  local list = {}
  for channel, finder in pairs(finders) do
    for _, each in ipairs(rows[finder] or {}) do
      each.channel = channel
      list[#list + 1] = each
    end
  end
  return M.ordered(list)
end

--- Rows by time and, at one instant, by channel.
function M.ordered(rows)
  local list = table.move(rows, 1, #rows, 1, {})
  table.sort(list, function(a, b)
    return a.ns < b.ns or a.ns == b.ns and (a.channel or "") < (b.channel or "")
  end)
  return list
end

return M
