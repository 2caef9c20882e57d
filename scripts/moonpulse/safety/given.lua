--- What a run has given so far, as the gate must see it before the next plan: to the brain, plans in quick
--- succession are one train, whatever the script calls them. Kept are the trains that are still open, the
--- last one of each channel, and the counts, so that a run of any length is judged as a whole.
local M = {}

---@class moonpulse.Given
---@field finders table<string, table> by channel: moonpulse.safety.trains, not finished
---@field order table[] the same, in the order in which they were made
---@field together table? the same for the pulses of all channels but nerves'
---@field actions table<string, table> every pulse that was met, once
---@field last_s number the last pulse's onset, in seconds from the run's start: not the end of its plan, for
---   nobody waits for a rest at its end
local Given = {}
Given.__index = Given

--- Nothing was given yet.
---@return moonpulse.Given
function M.new()
  return setmetatable({ finders = {}, order = {}, actions = {}, last_s = 0 }, Given)
end

--- A table and all in it anew; what known holds stays the same value (pulses are known by their table).
local function copy_of(value, known)
  if type(value) ~= "table" then
    return value
  elseif known[value] then
    return known[value]
  end
  local made = setmetatable({}, getmetatable(value))
  known[value] = made
  for key, inner in pairs(value) do
    made[key] = copy_of(inner, known)
  end
  return made
end

--- The same, to be judged with a plan after it: what is done to the copy leaves this as it is.
---@return moonpulse.Given
function Given:copy()
  local known = {}
  for _, action in pairs(self.actions) do
    known[action] = action
  end
  return copy_of(self, known)
end

return M
