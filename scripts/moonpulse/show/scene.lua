--- What a picture of a plan shows: its pulses by channel, as panels at three scales.
local core = require "moonpulse.core"
local intensities = require "moonpulse.compose.intensity"
local numbers = require "moonpulse.text.numbers"
local panels = require "moonpulse.drawing.panels"
local stats = require "moonpulse.drawing.stats"

local M = {}

local MOST = 1000000 -- pulses and marks that are looked at; more would not show

local function reference_of(actions)
  local reference
  for _, action in ipairs(actions) do
    if reference and action.reference ~= reference then
      return nil
    end
    reference = action.reference
  end
  return reference
end

--- "%RMT and %AMT", where a plan has several; nil where it has one.
local function references_of(actions)
  local names, known = {}, {}
  for _, action in ipairs(actions) do
    names[#names + 1] = not known[action.reference] and "%" .. action.reference or nil
    known[action.reference] = true
  end
  return #names > 1 and table.concat(names, " and ") or nil
end

--- The options that are missing: "--rmt N and --amt N".
local function given_by(actions, thresholds)
  local names, known = {}, {}
  for _, action in ipairs(actions) do
    local name = action.reference:lower()
    if name ~= "mso" and not thresholds[name] and not known[name] then
      names[#names + 1], known[name] = ("--%s N"):format(name), true
    end
  end
  return table.concat(names, " and ")
end

--- In %MSO where every threshold is known, else as the protocol says it.
local function resolved(actions, thresholds)
  for _, action in ipairs(actions) do
    if action.reference ~= "MSO" and not thresholds[action.reference:lower()] then
      return false
    end
  end
  for _, action in ipairs(actions) do
    action.mso = intensities.resolve({ value = action.intensity, reference = action.reference }, thresholds)
  end
  return true
end

local function scale_of(actions, in_mso)
  local name = in_mso and "%MSO" or "%" .. (reference_of(actions) or "")
  local key, top = in_mso and "mso" or "intensity", 0
  for _, action in ipairs(actions) do
    top = math.max(top, action[key] or 0)
  end
  return { top = in_mso and 100 or stats.nice_top(top), known = true, name = name,
    of = function(row) return row[key] or 0 end }
end

local function collect(schedule, actions)
  local pulses, times, marks = {}, {}, {}
  for kind, _, _, what, ns in schedule.next, schedule do
    if #pulses + #marks == MOST then
      break
    end
    local at = ns / 1e9
    if kind == "mark" then
      marks[#marks + 1] = { time = at, trial_type = what }
    else
      local action = actions[what]
      times[#times + 1] = at
      pulses[#pulses + 1] = { time = at, was_sent = true, intensity = action.intensity, mso = action.mso,
        channel = action.channel }
    end
  end
  return pulses, times, marks
end

local function actions_of(actions, channel)
  local list = {}
  for _, action in ipairs(actions) do
    if action.channel == channel then
      list[#list + 1] = action
    end
  end
  return list
end

---@class moonpulse.Scene
---@field title string
---@field subtitle string
---@field panels table[] for report.svg.timeline, each with its bars' scale; where there are several
---   channels, with a lane for each, which has its own

--- The scene of a plan.
---@param protocol moonpulse.Protocol
---@param plan moonpulse.Plan
---@param facts table from catalogue.measure
---@param seed integer
---@param thresholds { rmt: number?, amt: number? }
---@param drawn boolean? the order of trials is drawn from the seed
---@return moonpulse.Scene
function M.of(protocol, plan, facts, seed, thresholds, drawn)
  local schedule = core.schedule(plan, seed)
  local actions = schedule:actions()
  local in_mso = resolved(actions, thresholds)
  local pulses, times, marks = collect(schedule, actions)
  local scene = { title = protocol.name, panels = {},
    subtitle = ("%s, %s from first to last pulse"):format(numbers.counted(facts.pulses, "pulse"),
      numbers.duration(facts.first_to_last_s)) }
  if facts.random or drawn then -- another seed gives another picture
    scene.subtitle = ("%s; drawn with seed %d"):format(scene.subtitle, seed)
  end
  if #pulses < facts.pulses then
    scene.subtitle = ("%s; the first %s are shown"):format(scene.subtitle, numbers.count(#pulses))
  end
  local mixed = not in_mso and references_of(actions)
  if mixed then
    local text = "%s; %s on one axis: their heights cannot be compared, with %s they are in %%MSO"
    scene.subtitle = text:format(scene.subtitle, mixed, given_by(actions, thresholds))
  end
  for _, panel in ipairs((panels.of(pulses, times, marks))) do
    panel.bars = scale_of(actions, in_mso)
    for _, lane in ipairs(panel.lanes or {}) do
      lane.scale = scale_of(actions_of(actions, lane.channel), in_mso)
    end
    scene.panels[#scene.panels + 1] = panel
  end
  return scene
end

return M
