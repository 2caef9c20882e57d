--- A failing scenario made smaller, as long as the same invariant is broken: the few events that matter.
local copy = require("moonpulse.text.deep_copy").of

local M = {}

local most_tries = 400

--- How much there is of a scenario: its tables and fields, pulses counted by their digits.
---@param value any
---@return number
function M.size(value)
  if type(value) == "table" then
    local size = 1
    for key, each in pairs(value) do
      size = size + M.size(each) + (key == "what" and 0 or 0.1)
    end
    return size
  end
  return type(value) == "number" and 1 + math.log(1 + math.abs(value), 10) or 1
end

local simpler = {} -- candidates: functions (scenario, add); add(change) takes a change of a copy

--- Nothing of what is optional.
function simpler.options(scenario, add)
  for _, key in ipairs { "report", "flight", "history", "participant", "catches", "trigger", "triggers",
    "long", "killed_s", "codes", "box", "line" } do
    if scenario[key] then
      add(function(s) s[key] = nil end)
    end
  end
  if scenario.late ~= "abort" then
    add(function(s) s.late = "abort" end)
  end
  if scenario.tolerance_ms ~= 1 then
    add(function(s) s.tolerance_ms = 1 end)
  end
  if scenario.timing ~= "host" then
    add(function(s) s.timing = "host" end)
  end
end

--- One entry less of a list.
local function fewer(list, find, add)
  for i = #list, 1, -1 do
    add(function(s) table.remove(find(s), i) end)
  end
end

function simpler.troubles(scenario, add)
  fewer(scenario.troubles, function(s) return s.troubles end, add)
  for i, trouble in ipairs(scenario.troubles) do
    for _, at_s in ipairs(trouble.at_s and { trouble.at_s % 1, 1 + trouble.at_s % 1, trouble.at_s // 1,
      trouble.at_s * 1000 // 1 / 1000 } or {}) do
      if at_s < trouble.at_s then
        add(function(s) s.troubles[i].at_s = at_s end)
      end
    end
    if trouble.at and trouble.at > 1 then
      add(function(s) s.troubles[i].at = 1 end)
    end
  end
end

function simpler.script(scenario, add)
  for part = #(scenario.script or {}), 1, -1 do
    if part > 1 then
      add(function(s) table.remove(s.script, part) end)
    end
    fewer(scenario.script[part], function(s) return s.script[part] end, add)
  end
  for at, step in ipairs((scenario.script or {})[1] or {}) do
    if step.fires then
      fewer(step.fires, function(s) return s.script[1][at].fires end, add)
    end
  end
  if scenario.triggers then
    fewer(scenario.triggers, function(s) return s.triggers end, add)
  end
  for i, entry in ipairs(scenario.triggers or {}) do
    for _, times in ipairs(entry.times and { 1, entry.times // 2, entry.times - 1 } or {}) do
      if times < entry.times and times > 0 then
        add(function(s) s.triggers[i].times = times end)
      end
    end
  end
end

--- One of two that are given together, alone.
local function on_channel(part, number)
  local alone = copy(part.of[number])
  alone.at = part.channels[number]
  return alone
end

local function plan_parts(plan, find, add)
  if plan.times then
    add(function(s)
      local own = find(s)
      own.times, own.gap = nil, nil
    end)
  end
  if #plan.parts > 1 then
    fewer(plan.parts, function(s) return find(s).parts end, add)
  end
  for i, part in ipairs(plan.parts) do
    if part.kind == "together" then
      add(function(s) find(s).parts[i] = on_channel(find(s).parts[i], 1) end)
      add(function(s) find(s).parts[i] = on_channel(find(s).parts[i], 2) end)
    elseif part.kind == "train" and part.pulses > 1 then
      for _, pulses in ipairs { 1, 2, part.pulses // 2, part.pulses - 1 } do
        if pulses < part.pulses and pulses > 0 then
          add(function(s) find(s).parts[i].pulses = pulses end)
        end
      end
    end
    if part.burst then
      add(function(s)
        local own = find(s).parts[i]
        own.burst, own.burst_hz = nil, nil
      end)
    end
    if part.kind == "drawn" then
      add(function(s) find(s).parts[i] = { kind = "rest", s = part.min } end)
    end
    if part.ref and part.ref ~= "MSO" then
      add(function(s)
        find(s).parts[i].ref, find(s).parts[i].value = "MSO", 40
      end)
    end
  end
end

function simpler.plans(scenario, add)
  if scenario.plan then
    plan_parts(scenario.plan, function(s) return s.plan end, add)
  end
  for part, steps in ipairs(scenario.script or {}) do
    for i, step in ipairs(steps) do
      if step.plan then
        plan_parts(step.plan, function(s) return s.script[part][i].plan end, add)
        if step.what == "arm" then
          add(function(s) s.script[part][i].plan = nil end)
        end
      end
    end
  end
end

--- Every scenario that is one step simpler.
local function candidates(scenario)
  local list = {}
  for _, kind in ipairs { "troubles", "script", "plans", "options" } do
    simpler[kind](scenario, function(change)
      local made = copy(scenario)
      if pcall(change, made) then
        list[#list + 1] = made
      end
    end)
  end
  return list
end

--- The smallest scenario that is found to break the same.
---@param scenario moonpulse.explore.Scenario
---@param breaks fun(scenario: moonpulse.explore.Scenario): boolean does it break the same invariant?
---@param show fun(tries: integer)? is told how far it is
---@return moonpulse.explore.Scenario smallest
---@return integer tries
function M.shrink(scenario, breaks, show)
  local tries, going = 0, true
  while going do
    going = false
    for _, each in ipairs(candidates(scenario)) do
      if tries >= most_tries then
        return scenario, tries
      end
      if M.size(each) < M.size(scenario) then
        tries = tries + 1
        if show then
          show(tries)
        end
        if breaks(each) then
          scenario, going = each, true
          break
        end
      end
    end
  end
  return scenario, tries
end

return M
