--- The devices of a script that has several, each by its name: run:device "left". What run:device() gives
--- drives all of them; one of these does the same with one, and all share what is the run's: one thing at a
--- time, one count of plans, one dose for the safety gate.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local value_words = require "moonpulse.text.value_words"

local M = {}

--- The channels that the devices of the run have, and each one's place.
local function channels_of(stimulators)
  local of, names = {}, {}
  for _, each in ipairs(stimulators.list) do
    local own = {}
    for channel in pairs(each.job.own) do
      of[channel] = each.job.place
      own[#own + 1] = channel
    end
    table.sort(own)
    table.move(own, 1, #own, #names + 1, names)
  end
  return of, names
end

--- Give the pulses of a plan that have no channel to the one that is played on; raise where a pulse is none
--- of theirs.
local function placed(self, who, plan)
  local stimulators = self.stimulator
  local all = stimulators.all
  local of, names = channels_of(stimulators)
  local place = stimulators ~= all and stimulators.place
  if plan:totals().unnamed then
    if not place then
      blame.fail("%s: the plan has pulses without a channel: which device gives them? Write :at %q, or play "
        .. "it on run:device %q", who, names[1], all.list[1].job.place)
    elseif names[2] then
      blame.fail("%s: the plan has pulses without a channel, and the device %q has %s: write :at %q", who,
        place, table.concat(names, ", "), names[1])
    end
    plan = plan:at(names[1])
  end
  for _, action in ipairs(core.schedule(plan, 0):actions()) do
    if not of[action.channel] and place then
      blame.fail("%s: the plan has pulses for %q, and this is the device %q: play it on run:device()%s", who,
        action.channel, place, channels_of(all)[action.channel] and "" or ", and name a device so")
    elseif not of[action.channel] then
      blame.fail("%s: the plan has pulses for %q, and the devices are %s: name one so, --device "
        .. "%s=DRIVER@PORT", who, action.channel, table.concat(names, ", "), action.channel)
    end
  end
  return plan
end

--- The device of several that a script names; nil: all of them.
---@param device moonpulse.ExperimentDevice of all
---@param place string?
---@param who string? the verb, for messages
---@return moonpulse.ExperimentDevice
function M.of(device, place, who)
  who = who or "run:device"
  local stimulators = device.stimulator
  if place == nil then
    return device
  elseif type(place) ~= "string" then
    blame.fail("run:device: the name of a device is needed, like \"left\", not %s", value_words.shown(place))
  elseif not stimulators.list then
    blame.fail("run:device: the run has one device, which has no name: run:device() is it; for several name "
      .. "each, --device %s=DRIVER@PORT", place)
  end
  local some = stimulators:some(place)
  if not some then
    local names = {}
    for i, each in ipairs(stimulators.list) do
      names[i] = each.job.place
    end
    blame.fail("%s: no device is called %q: the run has %s", who, place, table.concat(names, ", "))
  end
  return setmetatable({ stimulator = some }, { __index = device, __newindex = device })
end

--- Raise where an option names a device that the run does not have.
---@param device moonpulse.ExperimentDevice of all
---@param who string the verb
---@param options any device: the name of one
---@return string? place that it names
function M.check_option(device, who, options)
  local place = type(options) == "table" and rawget(options, "device") or nil
  if type(place) ~= "string" then
    return nil -- what is wrong with it says who takes it
  elseif not device.stimulator.list then
    blame.fail("%s: device = %q: the run has one device, which has no name: leave it out", who, place)
  end
  M.of(device, place, who)
  return place
end

--- The thresholds of one of several devices: its own, where it has any.
---@param device moonpulse.ExperimentDevice of all
---@param place string of one that there is
---@return moonpulse.Thresholds
function M.thresholds(device, place)
  local one = device.stimulator:some(place).list[1]
  local all = one.job.thresholds
  return all.of and all.of[one.job.channels[1]] or all
end

--- The device of all: from now on it looks at where the pulses of a plan go.
---@param device moonpulse.ExperimentDevice
function M.begin(device)
  if device.stimulator.list then
    device.placed = placed
  end
end

--- Which of them are armed already, for a message; "" where there is but one.
---@param device moonpulse.ExperimentDevice
---@return string
function M.armed(device)
  local names = {}
  for _, each in ipairs(device.stimulator.list or {}) do
    names[#names + 1] = each.armed and each.job.place or nil
  end
  return names[1] and (": %s"):format(table.concat(names, ", ")) or ""
end

--- Raise where a verb is of one device, and all were asked.
---@param device moonpulse.ExperimentDevice
---@param who string the verb
function M.one(device, who)
  local stimulators = device.stimulator
  if stimulators.list and stimulators.all == stimulators then
    local place = stimulators.list[1].job.place
    blame.fail("%s: of which device? Write run:device(%q):%s", who, place, (who:match("[%w_]+$")))
  end
end

return M
