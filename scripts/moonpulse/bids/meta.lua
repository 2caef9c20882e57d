--- What Moonpulse cannot know and a person writes down: --meta FILE, a JSON object (docs/bids.md).
local cjson = require "cjson.safe"
local in_order = require "moonpulse.text.in_order"
local text_files = require "moonpulse.text.text_file"

local M = {}

local text, list, object, number = "string", "list", "object", "number"

--- The keys that it may have, and of which kind each is.
M.keys = {
  Name = text, Authors = list, License = text, Acknowledgements = text, HowToAcknowledge = text,
  Funding = list, EthicsApprovals = list, ReferencesAndLinks = list, DatasetDOI = text,
  TaskDescription = text, Instructions = text, InstitutionName = text, InstitutionAddress = text,
  InstitutionalDepartmentName = text, NIBSDescription = text, ConcurrentModalities = list,
  StimulatorSet = list, ElementSet = list, IntensitySet = list, markers = list, nibs_event_id = text,
  stimulus_shape = text, stimulus_duration = number, first_inflection = text, current_direction = text,
}

local function kind_of(value)
  if type(value) == "table" then
    return (value[1] ~= nil or next(value) == nil) and list or object
  end
  return type(value)
end

--- Check what was read: a name that is not known is a slip, and would be lost in silence.
---@param meta any
---@param path string for messages
---@return table? meta
---@return string? message
function M.check(meta, path)
  if type(meta) ~= "table" or kind_of(meta) == list and next(meta) then
    return nil, ("%s: a JSON object is expected, like {\"Authors\": [\"A. One\", \"B. Two\"]}"):format(path)
  end
  local known = in_order.keys(M.keys)
  for key, value in pairs(meta) do
    local wanted = M.keys[key]
    if not wanted then
      return nil, ("%s: %q is not known; known are %s"):format(path, key, table.concat(known, ", "))
    elseif kind_of(value) ~= wanted then
      return nil, ("%s: %s is a %s, not a %s"):format(path, key, wanted, kind_of(value))
    end
  end
  for _, key in ipairs { "StimulatorSet", "ElementSet", "IntensitySet", "markers" } do
    for _, each in ipairs(meta[key] or {}) do
      if kind_of(each) ~= object and next(each) then
        return nil, ("%s: %s is a list of objects"):format(path, key)
      end
    end
  end
  return meta
end

--- Read it.
---@param path string
---@return table? meta
---@return string? message
function M.read(path)
  local found, message = text_files.read(path, { bytes = 4000000, name = "meta file" })
  if not found then
    return nil, message
  end
  local value, why = cjson.decode(found)
  if value == nil then
    return nil, ("%s is no JSON%s"):format(path, require("moonpulse.text.json_place").words(found, why))
  end
  return M.check(value, path)
end

--- One object over another: what is written down counts more than what was found out.
---@param found table
---@param over table?
---@return table
function M.over(found, over)
  local merged = {}
  for key, value in pairs(found) do
    merged[key] = value
  end
  for key, value in pairs(over or {}) do
    merged[key] = value
  end
  return merged
end

return M
