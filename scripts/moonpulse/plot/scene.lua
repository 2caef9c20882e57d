--- What a picture of a plan shows: its pulses by channel, as panels at three scales.
local core = require "moonpulse.core"
local intensities = require "moonpulse.intensity"
local outline = require "moonpulse.outline"
local panels = require "moonpulse.report.panels"

local M = {}

local MOST = 1000000 -- pulses that are looked at; more would not show

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

local tops = { 10, 20, 50, 100, 150, 200, 300, 400 } -- where the axis may end

local function scale_of(actions, in_mso)
  local name = in_mso and "%MSO" or "%" .. (reference_of(actions) or "")
  local key, top = in_mso and "mso" or "intensity", 0
  for _, action in ipairs(actions) do
    top = math.max(top, action[key] or 0)
  end
  local round = in_mso and 100 or tops[#tops]
  for i = #tops, 1, -1 do
    round = not in_mso and tops[i] >= top and tops[i] or round
  end
  return { top = round, known = true, name = name,
    of = function(row) return row[key] or 0 end }
end

local function collect(schedule, actions)
  local channels, order, marks, count = {}, {}, {}, 0
  for kind, _, _, what, ns in schedule.next, schedule do
    if kind == "mark" then
      marks[#marks + 1] = { time = ns / 1e9, trial_type = what }
    else
      local action = actions[what]
      local channel = channels[action.channel]
      if not channel then
        channel = { name = action.channel, pulses = {}, times = {} }
        channels[action.channel], order[#order + 1] = channel, channel
      end
      local at, n = ns / 1e9, #channel.times + 1
      channel.times[n] = at
      channel.pulses[n] = { time = at, was_sent = true, intensity = action.intensity, mso = action.mso }
      count = count + 1
      if count >= MOST then
        break
      end
    end
  end
  table.sort(order, function(a, b) return a.name < b.name end)
  return order, marks, count
end

---@class moonpulse.Scene
---@field title string
---@field subtitle string
---@field panels table[] for report.svg.timeline; title names the channel where there are several
---@field scale table

--- The scene of a plan.
---@param protocol moonpulse.Protocol
---@param plan moonpulse.Plan
---@param facts table from catalogue.measure
---@param seed integer
---@param thresholds { rmt: number?, amt: number? }
---@return moonpulse.Scene
function M.of(protocol, plan, facts, seed, thresholds)
  local schedule = core.schedule(plan, seed)
  local actions = schedule:actions()
  local in_mso = resolved(actions, thresholds)
  local channels, marks, count = collect(schedule, actions)
  local scene = { title = protocol.name, panels = {}, scale = scale_of(actions, in_mso),
    subtitle = ("%s pulses, %s from first to last pulse"):format(outline.count(facts.pulses),
      outline.duration(facts.first_to_last_s)) }
  if count < facts.pulses then
    scene.subtitle = ("%s; the first %s are shown"):format(scene.subtitle, outline.count(count))
  end
  for _, channel in ipairs(channels) do
    for _, panel in ipairs((panels.of(channel.pulses, channel.times, marks))) do
      if #channels > 1 then
        panel.title = ("Channel %s: %s"):format(channel.name, panel.title)
      end
      scene.panels[#scene.panels + 1] = panel
    end
  end
  return scene
end

return M
