--- The record of a script on several devices: its plans come one after the other, each on some of them, and
--- their pulses are numbered through. What is told to the whole goes to the parts that it is of
--- (moonpulse.record.together).
local together = require "moonpulse.record.together"

local M = {}

--- The part that an action is of; a script's own marks are the first one's.
local function part_of(whole, channel)
  for _, part in ipairs(whole.together.parts) do
    if part.share.channels[channel] then
      return part
    end
  end
  return whole.together.parts[1]
end

local verbs = {}

--- The run starts at start_ns (monotonic).
function verbs:start(start_ns)
  self.start_ns = start_ns
  for _, part in ipairs(self.together.parts) do
    part:start(start_ns)
  end
  if self.markers then
    self.markers:start(start_ns)
  end
end

--- Each has a flight record of its own, with room for all that may come.
function verbs:open_flight(...)
  for _, part in ipairs(self.together.parts) do
    local opened, message = part:open_flight(...)
    if not opened then
      return nil, message
    end
  end
  return true
end

--- Another plan follows, on any of them: its pulses are counted on from the last one of all.
---@param actions moonpulse.Action[] of all
---@param of_part { driver: moonpulse.Driver, slow_ns: integer }[] as for next_play of a record, for each part
---@param _ integer?
---@param k integer? its number in the run
function verbs:next_play(actions, of_part, _, k)
  self.last_number = M.last_number(self)
  for i, part in ipairs(self.together.parts) do
    part.last_number = self.last_number
    part:next_play(actions, of_part[i].driver, of_part[i].slow_ns, k)
  end
end

--- What was counted so far, on whichever device: a plan that follows counts on from there.
---@return { pulses: integer, trials: integer, blocks: integer }
function verbs:counted()
  local part, pulses = self.together.parts[1], M.last_number(self)
  part.last_number = pulses
  local trials, blocks = part:counted_stimuli()
  return { pulses = pulses, trials = trials, blocks = blocks }
end

--- Trials and blocks are counted through, as the pulses are.
---@param map moonpulse.StimulusMap
function verbs:set_stimuli(map)
  for _, part in ipairs(self.together.parts) do
    part:set_stimuli(map)
  end
end

--- How many records of plans the fullest flight record still has room for.
function verbs:room()
  local room = math.maxinteger
  for _, part in ipairs(self.together.parts) do
    room = math.min(room, part:room())
  end
  return room
end

function verbs:event(event, planned_ns, sent_ns, status, reply, action, mark, of)
  part_of(self, type(action) == "table" and action.channel):event(event, planned_ns, sent_ns, status, reply,
    action, mark, of)
end

--- What can be written so far goes to the disk.
function verbs:sync()
  for _, part in ipairs(self.together.parts) do
    part:sync()
  end
  together.count(self)
  getmetatable(self).__index.sync(self)
end

--- How many pulses were numbered so far.
---@param whole moonpulse.Record
---@return integer
function M.last_number(whole)
  local last = whole.last_number
  for _, part in ipairs(whole.together.parts) do
    last = math.max(last, part.last_number)
  end
  return last
end

--- What a script's run is told to its record goes to the parts of it.
---@param whole moonpulse.Record that was divided
function M.begin(whole)
  for name, verb in pairs(verbs) do
    whole[name] = verb
  end
end

return M
