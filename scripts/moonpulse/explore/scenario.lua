--- From one number a whole run: plan or script, device, timing, and what goes wrong when. A scenario is plain
--- data, so that it can be printed, made smaller and run again.
local cjson = require "cjson.safe"
local chances = require "moonpulse.explore.chance"
local devices = require "moonpulse.explore.devices"
local faults = require "moonpulse.simulation.faults"
local histories = require "moonpulse.explore.history"
local marks = require "moonpulse.explore.marks"
local outside = require "moonpulse.explore.outside"
local plans = require "moonpulse.explore.plan"
local several = require "moonpulse.explore.several"
local triggers = require "moonpulse.explore.triggers"

local M = {}

--- The fields of a scenario.
---@class moonpulse.explore.Scenario
---@field seed integer that the run gets, too
---@field kind "protocol"|"experiment"
---@field device string name of a driver
---@field timing "host"|"device"|"auto"
---@field trigger boolean? fired over the simulator's trigger input
---@field late "abort"|"skip"
---@field tolerance_ms number
---@field participant string?
---@field history table[]? earlier runs of the participant: moonpulse.explore.history
---@field strict boolean? the gate refuses what is OVER, as on a real device
---@field plan table? of a protocol
---@field script table? of an experiment: parts, each a list of steps
---@field catches boolean? the script goes on after an error of a step
---@field triggers table[]? what comes at the trigger port and lines: moonpulse.explore.triggers
---@field troubles table[] what goes wrong, and who stops it: moonpulse.explore.trouble
---@field report boolean? with its report.html
---@field killed_s number? what a kill at that instant would leave is recovered, too
---@field flight boolean? of a protocol: with a flight record, which an experiment always has
---@field codes boolean? its plans have event codes, and there is a box for them
---@field box { kind: "full"|"gone"|"hangs", at_s: number, for_s: number? }? what that box does wrong
---@field width_s number? that a code stands
---@field line boolean? the box is a line that is high for each code
---@field long boolean? a session of many pulses
---@field several { place: string, device: string }[]? a protocol on these devices: moonpulse.explore.several

local stops = { "key", "signal", "line", "guard", "key", "signal" }

--- What a device of this kind does wrong.
local function device_fault(chance, facts)
  local kind = chance:pick(faults.kinds)
  local unknown = kind.model and facts.by_hand or kind.name == "over-temperature" and facts.outputs -- no coil
    or kind.setting and facts.proof == "none" -- a setting that is damaged may be a pulse, and nothing tells
  kind = unknown and faults.kinds[1] or kind
  return { what = "device", kind = kind.name, at = chance:draw(kind.start and 0 or 1, 8) }
end

local drawers = {}

function drawers.device(chance, self) return device_fault(chance, self.facts) end

function drawers.port(chance, self)
  local kind = chance:pick { "lost", "short", "full", "stalled", "stalled" }
  if kind == "lost" then
    return { what = "port", kind = kind, at_s = chance:instant(self.lasts) }
  end
  local most = self.facts.completes or 3 -- docs/reliability.md, what is known
  return { what = "port", kind = kind, at_s = chance:instant(self.lasts), take = chance:draw(0, most),
    stall_ms = chance:pick { 0.4, 0.9, 2, 30, 700 } }
end

function drawers.clock(chance, self)
  if chance:once_in(2) then
    return { what = "clock", kind = "late", most_us = chance:pick { 5, 80, 400, 900, 3000 } }
  end
  return { what = "clock", kind = "stall", who = chance:pick { "sender", "loop", "both" },
    at_s = chance:instant(self.lasts), for_ms = chance:pick { 0.5, 3, 40, 300, 1500 } }
end

function drawers.disk(chance, self)
  if chance:once_in(3) then
    return { what = "disk", kind = "sync" }
  end
  return { what = "disk", kind = "full", at_s = chance:instant(self.lasts),
    for_s = chance:once_in(2) and chance:instant(self.lasts) or nil }
end

function drawers.stop(chance, self)
  return { what = "stop", source = chance:pick(stops), at_s = chance:instant(self.lasts) }
end

local order = { "stop", "device", "port", "clock", "disk", "stop", "device" }

--- What goes wrong: nothing in a third of the runs, else mostly one thing, sometimes several at once.
local function troubles_of(chance, self)
  local list = {}
  if self.long and not self.troubled or not self.long and chance:once_in(3) then
    return list
  end
  repeat
    list[#list + 1] = drawers[chance:pick(order)](chance, self)
  until #list == 4 or not chance:once_in(3)
  return list
end

-- Experiments ---------------------------------------------------------------------------------------

local function step_between(chance, steps)
  local choice = chance:draw(1, 9)
  if choice <= 3 then
    steps[#steps + 1] = { what = "sleep", s = chance:draw(1, 40) / 10 }
  elseif choice == 4 then
    steps[#steps + 1] = { what = "mark", text = "step " .. #steps }
  elseif choice == 5 then
    steps[#steps + 1] = { what = "status" }
  end
end

local function main_part(chance, self)
  local steps, armed = {}, false
  for _ = 1, chance:draw(1, 4) do
    local plan = plans.draw(chance, self)
    if not armed then
      steps[#steps + 1] = { what = "arm", plan = not chance:once_in(3) and plan or nil }
      armed = true
    end
    step_between(chance, steps)
    if chance:once_in(6) then
      steps[#steps + 1] = { what = "wait", byte = chance:once_in(2) and chance:draw(1, 3) or nil,
        timeout = chance:draw(1, 5) }
    end
    steps[#steps + 1] = { what = chance:once_in(3) and "fire" or "play", plan = plan,
      ahead = chance:once_in(4) and chance:draw(1, 24) / 4 or nil }
    if chance:once_in(4) then
      steps[#steps + 1], armed = { what = chance:once_in(3) and "stop" or "disarm" }, false
    end
  end
  return steps
end

--- What another part of the script does meanwhile.
local function other_part(chance, self)
  local steps = {}
  for _ = 1, chance:draw(1, 3) do
    steps[#steps + 1] = { what = "sleep", s = chance:instant(self.lasts) }
    local what = chance:pick { "status", "mark", "mark", "disarm", "stop", "arm", "fire" }
    steps[#steps + 1] = { what = what, text = what == "mark" and "part" or nil,
      plan = what == "fire" and plans.draw(chance, self) or nil }
  end
  return steps
end

local function triggers_of(chance, self)
  local list, at = {}, 0
  for _ = 1, chance:draw(0, 6) do
    at = at + chance:draw(1, 40) / 16
    local line = chance:once_in(3) and chance:pick { "cts", "dsr" }
    list[#list + 1] = { at_s = at, line = line or nil, rising = line and chance:once_in(2) or nil,
      byte = not line and chance:draw(0, 3) or nil }
  end
  return self.kind == "experiment" and list or nil
end

local function draw_script(chance, self)
  local parts = { main_part(chance, self) }
  for _ = 1, chance:once_in(3) and chance:draw(1, 2) or 0 do
    parts[#parts + 1] = other_part(chance, self)
  end
  return parts
end

--- Now and then a stop amid a plan, preferably in a train that the device times; then the device is armed
--- anew and another plan follows. Drawn by itself, so that other seeds stay what they are.
local function cut_script(chance, scenario, self)
  if not chance:once_in(3) then
    return
  end
  local steps, places = scenario.script[1], {}
  for i, step in ipairs(steps) do
    places[#places + 1] = (step.what == "play" or step.what == "fire") and i or nil
  end
  if not scenario.trigger and scenario.device ~= "trigger" and chance:once_in(2) then
    scenario.timing = "device"
    self.timing = "device"
  end
  for i = #places, 1, -1 do
    if i == 1 or chance:once_in(3) then
      local at, plan = places[i], plans.draw(chance, self)
      steps[at] = { what = "cut", plan = steps[at].plan,
        after = 0.2 + chance:instant(plans.lasts(steps[at].plan) + 0.3) }
      table.insert(steps, at + 1, { what = "arm", plan = chance:once_in(2) and plan or nil })
      table.insert(steps, at + 2, { what = chance:once_in(3) and "fire" or "play", plan = plan })
    end
  end
end

--- Is a plan of the script stopped amid, so that what recovers it must tell two plans apart?
---@param scenario moonpulse.explore.Scenario
---@return boolean
function M.is_cut(scenario)
  for _, step in ipairs(scenario.script and scenario.script[1] or {}) do
    if step.what == "cut" then
      return true
    end
  end
  return false
end

--- Does the engine start a plan of the script by itself?
---@param scenario moonpulse.explore.Scenario
---@return boolean
function M.is_triggered(scenario)
  for _, step in ipairs(scenario.script and scenario.script[1] or {}) do
    if step.what == "on_trigger" then
      return true
    end
  end
  return false
end

--- Event codes, and a box that may fail.
local function draw_codes(chance, scenario, self)
  if not self.long and chance:once_in(3) then
    marks.draw(chance, scenario, self.lasts)
  end
end

--- How long a plan or script takes about, for the instants of what goes wrong.
local function lasts_of(scenario)
  local lasts = 2
  local function add(plan)
    lasts = lasts + plans.lasts(plan)
  end
  for _, steps in ipairs(scenario.script or {}) do
    for _, step in ipairs(steps) do
      lasts = lasts + (step.s or 0) + (step.ahead or 0) + (step.what == "watch" and step.timeout or 0) + 0.5
      if step.plan and step.what ~= "arm" then
        add(step.plan)
      end
    end
  end
  if scenario.plan then
    add(scenario.plan)
  end
  return M.is_triggered(scenario) and math.max(lasts, triggers.last_s(scenario.triggers) + 1) or lasts
end

M.lasts = lasts_of

--- JSON has no whole numbers of its own, nor lists with names in them.
local function whole(value)
  if type(value) == "table" then
    local made = {}
    for key, each in pairs(value) do
      made[math.tointeger(tonumber(key)) or key] = whole(each)
    end
    return made
  end
  return math.type(value) == "float" and math.tointeger(value) or value
end

--- A scenario from its text.
---@param text string JSON, as a finding prints it
---@return moonpulse.explore.Scenario? scenario nil: it is none
function M.read(text)
  local scenario = cjson.decode(text)
  if type(scenario) ~= "table" or not devices.known[scenario.device] or type(scenario.troubles) ~= "table"
    or not (scenario.plan or scenario.script) then
    return nil
  end
  return whole(scenario)
end

--- The run of a seed.
---@param seed integer
---@return moonpulse.explore.Scenario
function M.draw(seed)
  local chance = chances.new(seed, "run")
  local long = chance:once_in(4)
  local scenario = { seed = seed, device = chance:pick(devices.names) }
  if long and not chance:once_in(5) then
    scenario.device = devices.quickest
  end
  local facts = devices.known[scenario.device]
  local self = { facts = facts, long = long, troubled = chance:once_in(8), lasts = 12 }
  self.pulses = not self.troubled and facts.session or { 60, 600 }
  scenario.long = self.long or nil
  scenario.kind = not self.long and chance:once_in(3) and "experiment" or "protocol"
  scenario.timing = chance:pick(long and { "host", "host", "auto" } or { "host", "host", "auto", "device" })
  scenario.trigger = facts.trigger and chance:once_in(6) or nil
  if scenario.trigger or scenario.device == "trigger" then
    scenario.timing = "host"
  end
  self.kind, self.timing, self.trigger = scenario.kind, scenario.timing, scenario.trigger
  scenario.late = chance:once_in(3) and "skip" or "abort"
  scenario.tolerance_ms = chance:pick { 1, 1, 1, 0.2, 5 }
  scenario.participant = chance:once_in(6) and "P" .. chance:draw(1, 9) or nil
  local before = chances.new(seed, "history")
  scenario.history = scenario.participant and not before:once_in(3) and histories.draw(before) or nil
  scenario.report = chance:once_in(16) or nil
  scenario.flight = chance:once_in(long and 32 or 4) or nil
  if scenario.kind == "protocol" then
    self.parts = self.long and 1 or nil
    scenario.plan = plans.draw(chances.new(seed, "plan"), self)
  else
    self.parts = 2
    scenario.script = draw_script(chances.new(seed, "script"), self)
    cut_script(chances.new(seed, "cut"), scenario, self)
    scenario.catches = chance:once_in(2) or nil
    scenario.triggers = triggers_of(chances.new(seed, "triggers"), self)
  end
  local ahead = chances.new(seed, "on_trigger")
  local waits = scenario.script and ahead:once_in(2)
  if waits then
    triggers.draw(ahead, scenario, self)
  end
  if scenario.script then
    outside.draw(chances.new(seed, "outside"), scenario)
  end
  self.lasts = lasts_of(scenario)
  scenario.troubles = troubles_of(chances.new(seed, "troubles"), self)
  local stop = chances.new(seed, "stop")
  if scenario.script and #scenario.troubles < 4 and stop:once_in(3) then
    table.insert(scenario.troubles, drawers.stop(stop, self))
  end
  if waits then
    triggers.draw_around(ahead, scenario)
  end
  draw_codes(chances.new(seed, "codes"), scenario, self)
  local kill = chances.new(seed, "kill")
  if (scenario.script or scenario.flight) and kill:once_in(3) then
    scenario.killed_s = kill:instant(self.lasts)
  end
  several.draw(chances.new(seed, "several"), scenario, drawers)
  return scenario
end

return M
