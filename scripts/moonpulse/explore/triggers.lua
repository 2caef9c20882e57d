--- What comes at the trigger port, and plans that wait for it: drawn so that single bytes, doubled ones and
--- storms meet a plan that is ready, that is going on, that is within its refractory time or at its edge, at
--- the instant of a timeout and around what goes wrong.
---
--- An entry is { at_s, byte } or { at_s, line, rising }. times, apart_s: it comes so often, so far apart;
--- other: each second one is this byte.
local plans = require "moonpulse.explore.plan"

local M = {}

local counts = { 1, 2, 3, 5, 20 }
local delays = { 0.0005, 0.004, 0.02, 0.25, 3 }
local apart = { 0, 0, 1e-9, 1e-6, 1e-4, 0.0011, 0.003 }
local about_edge = { -1e-3, -1e-6, -1e-9, 0, 0, 1e-9, 1e-6 }
local storms = { 20, 60, 60, 200 }

--- A plan that can be started again and again: of one intensity, with no rest that is drawn; mostly.
local function plan_of(chance, self)
  local steady = setmetatable({ by_hand = true }, { __index = self.facts })
  local own = setmetatable({ facts = steady, parts = 2, last = self.facts.by_hand and self.last or nil },
    { __index = self })
  local plan
  for _ = 1, 4 do
    plan = plans.draw(chance, own)
    if plans.lasts(plan) < 8 then
      break
    end
  end
  self.last = self.last or self.facts.by_hand and rawget(own, "last") or nil
  for i, part in ipairs(plan.parts) do
    if part.kind == "drawn" and not chance:once_in(12) then
      plan.parts[i] = { kind = "rest", s = part.min }
    end
  end
  return plan
end

local function step_of(chance, self)
  local plan = plan_of(chance, self)
  local lasts, is_train = plans.lasts(plan), plan.parts[#plan.parts].kind == "train"
  local more = chance:once_in(is_train and 2 or 12) and 0 or chance:once_in(3) and self.facts.least_s(100)
    or chance:pick(self.facts.rests)
  return { what = "on_trigger", plan = plan, count = chance:pick(counts), refractory = lasts + more,
    byte = chance:once_in(2) and chance:draw(0, 3) or nil,
    every = chance:once_in(4) and chance:draw(2, 3) or nil,
    delay = chance:once_in(3) and chance:pick(delays) or nil }
end

--- Bytes that come for a step, from second t on; when the last of them has come.
local function clusters(chance, list, step, t)
  local lasts = plans.lasts(step.plan)
  local function byte()
    return not chance:once_in(5) and step.byte or chance:draw(0, 3)
  end
  local function add(at_s, more)
    local entry = more or {}
    entry.at_s, entry.byte = at_s, byte()
    list[#list + 1] = entry
  end
  for _ = 1, chance:draw(3, 9) do
    local kind = chance:draw(1, 8)
    add(t)
    if kind <= 2 then -- doubled
      t = t + chance:pick(apart)
      add(t)
    elseif kind <= 4 then -- at the edge of the refractory time
      t = t + step.refractory + chance:pick(about_edge)
      add(t)
    elseif kind == 5 then -- while it goes on
      add(t + lasts * chance:draw(1, 16) / 16)
    elseif kind == 6 then
      local times = chance:once_in(10) and 1500 or chance:pick(storms)
      add(t + chance:instant(step.refractory), { times = times, apart_s = 1e-4,
        other = chance:once_in(3) and chance:draw(0, 3) or nil })
    end
    t = t + step.refractory * chance:draw(1, 24) / 16 + chance:draw(0, 64) / 64
  end
  return t
end

--- Where a plan may wait for triggers: the device is armed before each plan.
local function places_of(steps)
  local places = {}
  for i, step in ipairs(steps) do
    local plays = step.what == "play" or step.what == "fire" or step.what == "cut"
    places[#places + 1] = plays and i or nil
  end
  return places
end

--- When a step begins, about.
local function begins_at(steps, place)
  local t = 1
  for i = 1, place - 1 do
    local step = steps[i]
    t = t + (step.s or 0) + (step.ahead or 0)
      + (step.plan and step.what ~= "arm" and step.what ~= "on_trigger" and plans.lasts(step.plan) or 0)
  end
  return t
end

--- Now and then a part of the script that waits for each byte by itself.
local function waiting_part(chance)
  local steps = {}
  for i = 1, chance:draw(1, 5) do
    steps[i] = { what = "wait", byte = chance:once_in(2) and chance:draw(0, 3) or nil,
      timeout = chance:draw(1, 24) / 4 }
  end
  return steps
end

--- Put plans that wait for triggers into the main part of a script, and let triggers come.
---@param chance moonpulse.explore.Chance
---@param scenario moonpulse.explore.Scenario with its script; is changed
---@param self table as moonpulse.explore.plan draws with
function M.draw(chance, scenario, self)
  local steps, list, t = scenario.script[1], {}, 0
  for _ = 1, chance:once_in(4) and 2 or 1 do
    local place = chance:pick(places_of(steps))
    local step = step_of(chance, self)
    table.insert(steps, place, step)
    t = clusters(chance, list, step, math.max(t, begins_at(steps, place) + chance:draw(0, 16) / 16))
    if chance:once_in(2) then
      step.until_s = chance:pick(list).at_s + chance:pick { 0, 0, -1e-9, 1e-9, 1e-4, 0.5 }
    end
  end
  table.move(scenario.triggers, 1, #scenario.triggers, #list + 1, list)
  scenario.triggers = list
  if chance:once_in(3) and #scenario.script < 3 then
    table.insert(scenario.script, waiting_part(chance))
  end
end

--- Let triggers come around what goes wrong, and around who stops it.
---@param chance moonpulse.explore.Chance
---@param scenario moonpulse.explore.Scenario with its troubles; is changed
function M.draw_around(chance, scenario)
  for _, trouble in ipairs(scenario.troubles) do
    if trouble.at_s and chance:once_in(2) then
      local times = trouble.kind == "stall" and chance:pick { 60, 400, 6000 } or chance:pick(storms)
      table.insert(scenario.triggers, { at_s = math.max(0, trouble.at_s - chance:draw(0, times) * 1e-4),
        byte = chance:draw(0, 3), other = chance:once_in(2) and chance:draw(0, 3) or nil, times = times,
        apart_s = 1e-4 })
    end
  end
end

local function in_order(a, b)
  if a.ns ~= b.ns then
    return a.ns < b.ns
  end
  return a.place < b.place
end

--- Each byte and edge that comes, in the order of their times.
---@param list table[]? entries of a scenario
---@return { ns: integer, byte: integer?, line: string?, rising: boolean? }[] ns from the run's start
function M.each(list)
  local all = {}
  for _, entry in ipairs(list or {}) do
    for i = 0, (entry.times or 1) - 1 do
      all[#all + 1] = { ns = math.floor((entry.at_s + i * (entry.apart_s or 0)) * 1e9 + 0.5),
        byte = i % 2 == 1 and entry.other or entry.byte, line = entry.line, rising = entry.rising,
        place = #all }
    end
  end
  table.sort(all, in_order)
  return all
end

--- The text of --triggers; nil: none come.
---@param list table[]? entries of a scenario
---@return string?
function M.text(list)
  local lines = {}
  for i, each in ipairs(M.each(list)) do
    lines[i] = each.line and ("%.9f %s %s"):format(each.ns / 1e9, each.line, each.rising and "rising"
      or "falling") or ("%.9f port %d"):format(each.ns / 1e9, each.byte)
  end
  return lines[1] and table.concat(lines, "\n") .. "\n"
end

--- When the last of them comes.
---@param list table[]?
---@return number seconds
function M.last_s(list)
  local last = 0
  for _, entry in ipairs(list or {}) do
    last = math.max(last, entry.at_s + (entry.times or 0) * (entry.apart_s or 0))
  end
  return last
end

return M
