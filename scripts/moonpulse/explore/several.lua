--- Several devices that play one plan: drawn, and what each of them is to be judged by. Each has a part of
--- the run: a table of what is its own (its simulator, what it heard and gave, its rows, what goes wrong at
--- it), in which all else is the run's.
---
--- Of a scenario: several = { { place, device }, ... }, in the order in which they are named. A trouble with
--- on = N is of the Nth device alone.
local devices = require "moonpulse.explore.devices"
local plans = require "moonpulse.explore.plan"

local M = {}

local places = { "left", "right", "third" }
local apart = { 0, 0, 1e-6, 0.001, 0.005, 0.01, 0.06, 0.5, 1 }

-- Drawing --------------------------------------------------------------------------------------------------

--- What each device can be asked for: pulse by pulse, on one output.
local function asked_of(list)
  local own = {}
  for i, each in ipairs(list) do
    own[i] = { timing = "host", facts = setmetatable({ outputs = false },
      { __index = devices.known[each.device] }) }
  end
  return own
end

--- Two of them beside each other.
local function beside(chance, list, own, a, b)
  return { kind = "together", of = { plans.part(chance, own[a]), plans.part(chance, own[b]) },
    apart = chance:pick(apart), channels = { list[a].place, list[b].place } }
end

local function alone(chance, list, own, i)
  local part = plans.part(chance, own[i])
  part.at = list[i].place
  return part
end

--- A rest in which each of them can recharge.
local function rest(chance, own)
  local longest
  for _, each in ipairs(own) do
    local drawn = plans.rest(chance, each)
    if not longest or (drawn.s or drawn.min) > (longest.s or longest.min) then
      longest = drawn
    end
  end
  return longest
end

--- A plan in which each of them has a part.
local function draw_plan(chance, list)
  local own, parts = asked_of(list), {}
  local function add(part, more)
    if parts[1] then
      parts[#parts + 1] = rest(chance, own)
    end
    if chance:once_in(5) then
      parts[#parts + 1] = { kind = "mark", text = "mark " .. more }
    end
    parts[#parts + 1] = part
  end
  add(beside(chance, list, own, 1, 2), 1)
  if list[3] then
    add(beside(chance, list, own, chance:draw(1, 2), 3), 2)
  end
  for i = 3, 2 + chance:draw(0, 2) do
    local first = chance:draw(1, #list - 1)
    add(chance:once_in(3) and alone(chance, list, own, chance:draw(1, #list))
      or beside(chance, list, own, first, chance:draw(first + 1, #list)), i)
  end
  local plan = { parts = parts }
  if chance:once_in(4) then
    local between = rest(chance, own)
    plan.times, plan.gap = chance:draw(2, 3), between.max or between.s
  end
  return plan
end

local others = { "stop", "stop", "clock", "disk" }

--- What goes wrong: mostly one of them fails, and somebody may stop all.
local function draw_troubles(chance, scenario, lasts, drawers)
  local list = {}
  if chance:once_in(4) then
    return list
  end
  repeat
    local on = chance:draw(1, #scenario.several)
    local self = { facts = devices.known[scenario.several[on].device], lasts = lasts }
    local fails = not chance:once_in(3)
    local trouble = drawers[fails and chance:pick { "device", "port" } or chance:pick(others)](chance, self)
    trouble.on = fails and on or nil
    if trouble.what == "stop" then -- a stop line is of one device
      trouble.of, trouble.source = on, trouble.source == "line" and "guard" or trouble.source
    end
    list[#list + 1] = trouble
  until #list == 3 or not chance:once_in(3)
  return list
end

--- Now and then a protocol is for several devices. Drawn by itself, so that other seeds stay what they are.
---@param chance moonpulse.explore.Chance
---@param scenario moonpulse.explore.Scenario is changed
---@param drawers table<string, fun(chance: moonpulse.explore.Chance, self: table): table> of troubles
---@return boolean drawn
function M.draw(chance, scenario, drawers)
  if not scenario.plan or scenario.long or not chance:once_in(4) then
    return false
  end
  local list = {}
  for i = 1, chance:once_in(5) and 3 or 2 do
    list[i] = { place = places[i], device = chance:pick(devices.names) }
  end
  scenario.several, scenario.device, scenario.timing = list, list[1].device, "host"
  scenario.trigger, scenario.killed_s = nil, nil
  scenario.box, scenario.line = nil, nil
  scenario.plan = draw_plan(chance, list)
  scenario.flight = chance:once_in(2) or nil
  scenario.troubles = draw_troubles(chance, scenario, plans.lasts(scenario.plan) + 2, drawers)
  if scenario.flight and chance:once_in(2) then
    scenario.killed_s = chance:instant(plans.lasts(scenario.plan) + 2)
  end
  return true
end

-- Playing --------------------------------------------------------------------------------------------------

--- What is known of all of them.
---@param scenario moonpulse.explore.Scenario
---@return table facts as of moonpulse.explore.devices
function M.facts(scenario)
  local facts = { clock_ns = 0, latency_s = 0, confirms = true, rests = {}, proof = "none" }
  for _, each in ipairs(scenario.several) do
    local own = devices.known[each.device]
    facts.clock_ns = math.max(facts.clock_ns, own.clock_ns)
    facts.confirms = facts.confirms and own.confirms
    facts.arms = facts.arms or own.arms
  end
  return facts
end

--- What one of them is given: its output is called by its place.
---@param each { place: string, device: string }
---@return table<string, string> settings
function M.settings(each)
  local known, own = devices.known[each.device], {}
  for key, value in pairs(known.settings or {}) do
    own[key] = value
  end
  own.channels = known.outputs and each.place .. "=" .. known.outputs[1] or nil
  return own
end

--- Is it this device's, or everybody's? A write that stalls holds up all: virtual time has one thread.
local function concerns(trouble, number)
  return not trouble.on or trouble.on == number or trouble.kind == "stalled"
end

local function only(list, is_one)
  local kept = {}
  for _, each in ipairs(list) do
    kept[#kept + 1] = is_one(each) and each or nil
  end
  return kept
end

--- The part of the next device, whose simulator begins.
---@param run table of moonpulse.explore.play, with parts
---@return table part
function M.begin(run)
  local number = #run.parts + 1
  local each = run.scenario.several[number]
  local known = devices.known[each.device]
  local own = { device = each.device, troubles = only(run.scenario.troubles, function(trouble)
    return concerns(trouble, number)
  end) }
  local part = { whole = run, number = number, place = each.place, facts = known, heard = {}, replies = {},
    waiting = {}, output_of = known.outputs and { [each.place] = known.outputs[1] },
    scenario = setmetatable(own, { __index = run.scenario }) }
  run.parts[number] = setmetatable(part, { __index = run })
  return part
end

--- What goes wrong at one of them alone.
---@param run table
---@param number integer
---@return table[] troubles
function M.troubles(run, number)
  return only(run.scenario.troubles, function(trouble) return trouble.on == number end)
end

-- Judging --------------------------------------------------------------------------------------------------

local channel_column = 11 -- of events.tsv
local armed = { armed = true, running = true }

--- Tell each row its channel, which else nobody asks for.
---@param rows table[]
---@param text string events.tsv
function M.tell_channels(rows, text)
  local number = 0
  for line in text:gmatch "[^\n]*\n" do
    local row, column = rows[number], 0
    for cell in row and line:gmatch "[^\t\n]*" or function() end do
      column = column + 1
      row.channel = column == channel_column and cell or row.channel
    end
    number = number + 1 -- the first is the header
  end
end

--- Give a part what of the run's evidence is its own.
---@param run table as moonpulse.explore.evidence reads it, with rows and what is wanted
---@param part table
function M.divide(run, part)
  local function is_own(row)
    return row.channel == part.place
  end
  part.rows, part.pulses = only(run.rows, is_own), only(run.pulses, is_own)
  part.wanted, part.wanted_pulses = only(run.wanted, is_own), only(run.wanted_pulses, is_own)
  part.met = only(run.met, function(trouble) return concerns(trouble, part.number) end)
  part.stops = {}
  for i, stop in ipairs(run.stops) do
    local state = armed[stop.state] and stop.states[part.number] or "closed"
    part.stops[i] = setmetatable({ state = state }, { __index = stop })
  end
end

--- What was recovered, with the rows of one device alone.
local function recovered_of(part, recovered)
  return recovered and setmetatable({ rows = only(recovered.rows, function(row)
    return row.channel == part.place
  end) }, { __index = recovered })
end

--- Give each part its rows of what was recovered of the run.
---@param run table with recovered, and killed
function M.divide_recovered(run)
  for _, part in ipairs(run.parts or {}) do
    part.recovered = recovered_of(part, run.recovered)
    part.killed = run.killed and setmetatable({ recovered = recovered_of(part, run.killed.recovered) },
      { __index = run.killed })
  end
end

return M
