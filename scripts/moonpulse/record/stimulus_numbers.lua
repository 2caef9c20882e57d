--- Of which trial, block and condition the pulses of a record are: the part of a record that counts stimuli.
--- The plans of a run are counted on from each other, as their pulses are.
local cursors = require "moonpulse.compose.stimulus_cursor"

local M, Record = {}, {}

--- How many trials and blocks the plan before has had, up to its last pulse that was told.
local function told(before, last_number)
  local cursor, number = before.cursor, last_number - before.base
  if number < 1 then
    return before.trials, before.blocks
  end
  local trials = cursor:find(number) and cursor:trial_of(number) or cursor.trials
  return before.trials + trials, before.blocks + cursor.blocks
end

--- How many trials and blocks were counted so far.
---@return integer trials
---@return integer blocks
function Record:counted_stimuli()
  if self.stimuli then
    return told(self.stimuli, self.last_number)
  end
  return 0, 0
end

--- The plan whose pulses come next, by its map.
---@param map moonpulse.StimulusMap? nil: an older record, which has none
function Record:set_stimuli(map)
  local trials, blocks = self:counted_stimuli()
  self.stimuli = map and { cursor = cursors.new(map), base = self.last_number, trials = trials,
    blocks = blocks }
end

--- Give the row of a pulse its condition, trial and block.
---@param row moonpulse.Row
function Record:place(row)
  local at = self.stimuli
  local cursor = at and at.cursor
  local number = at and row.pulse - at.base
  if not cursor or not cursor:find(number) then
    return
  end
  local trial = cursor:trial_of(number)
  row.condition, row.trial = cursor.condition, trial and at.trials + trial
  row.block = cursor.block and at.blocks + cursor.block
  self.conditions[row.condition] = true
end

--- What the next pulses have in common, for session:near.
---@return { condition: string, trial: integer, block: integer, first: integer, last: integer, per: integer }
function Record:stretch()
  local at = self.stimuli
  local number = self.last_number + 1
  if not at then
    return { condition = "pulse", trial = 0, block = 0, first = 0, last = math.maxinteger, per = 0 }
  end
  local cursor = at.cursor
  if not cursor:find(number - at.base) then -- nothing is to come
    return { condition = "pulse", trial = 0, block = 0, first = 0, last = 0, per = 0 }
  end
  local trial, first = cursor:trial_of(number - at.base), cursor.first
  if cursor.per then
    first = first + (number - at.base - first) // cursor.per * cursor.per
  end
  self.conditions[cursor.condition] = true
  return { condition = cursor.condition, trial = trial and at.trials + trial or 0,
    block = cursor.block and at.blocks + cursor.block or 0, first = at.base + first,
    last = at.base + cursor.last, per = cursor.per or 0 }
end

--- Give a class of records these methods.
---@param class table
function M.into(class)
  for name, method in pairs(Record) do
    class[name] = method
  end
end

return M
