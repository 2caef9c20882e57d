--- Sentences on what gave the pulses: the stimulator, or a box with the stimulators behind it, the coil, and
--- what triggered the pulses.
local known_fields = require "moonpulse.methods.known"
local metas = require "moonpulse.record.meta"
local numbers = require "moonpulse.text.numbers"

local M = {}

-- boxes that give no pulse of their own; devices that cannot say that they fired
local boxes = { pulsepal = true, stimjim = true, trigger = true }
local silent = { pulsepal = true, trigger = true, duomag = true }

---@class moonpulse.Box what fires the stimulators behind it
---@field words string
---@field by_hand boolean the intensity is set by hand at the stimulators: the box sets none

--- Is a device a box? Then the stimulator is another one, which nobody told.
---@param name any of the device
---@return boolean
function M.is_box(name)
  return boxes[name] or false
end

--- Can a device not say that it fired?
---@param name any
---@return boolean
function M.is_silent(name)
  return silent[name] or false
end

--- Which of several devices cannot say that they fired; nil: all can, or there is one.
---@param devices table? of a manifest
---@return string?
function M.silent_of(devices)
  local names = {}
  for _, each in ipairs(type(devices) == "table" and devices or {}) do
    names[#names + 1] = type(each) == "table" and M.is_silent(each.name) and tostring(each.place) or nil
  end
  return names[1] and table.concat(names, " and ")
end

local function value_of(facts, key)
  return known_fields.words(facts.known, key) or known_fields.placeholder(key)
end

local function number_of(facts, key, words)
  local known = facts.known[key]
  return known and words .. " " .. known.value or known_fields.placeholder(key)
end

--- Of a run on several devices: each, by the channels that it gave.
local function each_of_several(devices)
  local list = {}
  for i, each in ipairs(devices) do
    local device = type(each) == "table" and each or {}
    local channels = type(device.channels) == "table" and device.channels or {}
    local model, name = device.model, tostring(device.description)
    if type(model) == "string" and not name:find(model, 1, true) then
      name = name .. " " .. model
    end
    list[i] = ("a %s (%s%s)"):format(name, #channels == 1 and "channel " .. tostring(channels[1])
      or "channels " .. table.concat(channels, ", "),
      device.serial and ", serial number " .. tostring(device.serial) or "")
  end
  return #list > 1 and table.concat(list, ", ", 1, #list - 1) .. " and " .. list[#list] or list[1] or "n/a"
end

--- The interval between two devices hangs on these.
local function latencies(devices)
  local list = {}
  for i, each in ipairs(devices) do
    local device = type(each) == "table" and each or {}
    local us = tonumber(device.latency_us)
    list[i] = ("%s %s (%s)"):format(tostring(device.place), us and ("%g ms"):format(us / 1000) or "n/a",
      type(device.latency_from) == "string" and device.latency_from or "where that is from is not recorded")
  end
  return table.concat(list, "; ")
end

local function stimulators(facts, add)
  local box, several = facts.box, facts.device and facts.device.devices
  if type(several) == "table" then
    add("The stimulators were %s, started at one instant, with the coils %s", each_of_several(several),
      value_of(facts, "coil"))
    return add("Each command was sent ahead of its pulse by the delay that was taken for its stimulator: %s",
      latencies(several))
  end
  if box then
    add("The pulses were timed and triggered by a %s", box.words)
  end
  if not (facts.nerve and facts.nerve.only) then
    add("The %sstimulator was a %s, %s, %s, with the coil %s", box and "magnetic " or "",
      value_of(facts, "stimulator"), number_of(facts, "serial", "serial number"),
      number_of(facts, "firmware", "firmware"), value_of(facts, "coil"))
  end
  if facts.nerve then
    add("The nerve was stimulated (channel %s) by a %s", table.concat(facts.nerve.channels, ", "),
      value_of(facts, "nerve_stimulator"))
  end
  if box and box.by_hand then
    add("The intensity was set by hand at the stimulator%s: the %s sets none, and nothing confirms it",
      facts.nerve and "s" or "", box.words:match("^[^,]+"))
  end
end

--- What sent the pulses, or let them be sent.
local function triggers(facts, add)
  if facts.fired then
    add("Each pulse was fired by a trigger (%s), not by a command", facts.fired)
  end
  local said = {}
  if facts.started_by then
    local after = facts.started_after_s
    said[1] = ("The run was started by a trigger from outside (%s)%s"):format(facts.started_by,
      after and (", the plan %s after it"):format(numbers.seconds(after)) or "")
  end
  if facts.triggers then
    said[#said + 1] = ("The script waited for triggers from outside and took %s"):format(
      numbers.count(facts.triggers))
  end
  if facts.trigger_starts then
    said[#said + 1] = ("Triggers from outside started what was given %s%s"):format(
      facts.trigger_starts == 1 and "once" or numbers.count(facts.trigger_starts) .. " times",
      facts.trigger_rule and (" (%s)"):format(facts.trigger_rule) or "")
  end
  for i, text in ipairs(said) do
    add("%s%s", text, i == 1 and ", sent by " .. value_of(facts, "trigger_source") or "")
  end
end

--- The sentences on the stimulator.
---@param facts moonpulse.MethodsFacts
---@param add fun(text: string, ...: any)
function M.write(facts, add)
  stimulators(facts, add)
  if facts.device and facts.device.simulated then
    add("It was simulated: nobody was stimulated")
  end
  local mode = facts.device and facts.device.mode
  mode = type(mode) == "table" and mode.value or mode
  if type(mode) == "string" then
    add("Its mode was %s", mode)
  end
  triggers(facts, add)
  if facts.nerve and facts.nerve.only then
    return
  end
  local direction = facts.known.current_direction
  add("The waveform was %s, the current direction %s%s", value_of(facts, "waveform"),
    value_of(facts, "current_direction"), direction and direction.source == "device"
      and metas.is_of_coil(direction.value) and ", " .. known_fields.placeholder "current_direction" or "")
  add("The coil was held so: %s; %s", value_of(facts, "coil_orientation"), value_of(facts, "coil_location"))
end

return M
