--- Lists as authors write them. Lua counts entries 1, 2, 3 up to a nil: what lies beside that would be lost
--- without a word, and trials with it.
local blame = require "moonpulse.text.author_line"

local M = {}

--- What of a list would be lost; nil: nothing. Plain data of a file is checked so, arguments with check().
---@param list table
---@param named boolean? keys that are names are not lost: somebody reads them
---@return string?
function M.problem(list, named)
  local name, odd, last = nil, nil, 0
  for key, value in next, list do
    if math.type(key) == "integer" and key > 0 then
      last = math.max(last, key)
    elseif math.type(key) then
      odd = math.min(odd or key, key)
    elseif type(key) ~= "string" then
      name = name or "a key that is a " .. type(key)
    elseif not named and not (key == "n" and math.type(value) == "integer") then -- n: of table.pack
      name = ("an entry named %q"):format(key) < (name or "~") and ("an entry named %q"):format(key) or name
    end
  end
  last = math.max(last, not named and math.type(rawget(list, "n")) == "integer" and list.n or 0)
  if name then
    return ("has %s: a list has the entries 1, 2, 3 and so on, and this one would be lost"):format(name)
  elseif odd then
    return ("has an entry %s: a list begins at 1, and this one would be lost"):format(tostring(odd))
  end
  for i = 1, last do
    if rawget(list, i) == nil then
      return ("has no entry %d, but %d: what is after a hole would be lost (is entry %d misspelt, or nil?)")
        :format(i, last, i)
    end
  end
end

--- Texts for a reader: active, sham, "".
---@param list string[]
---@return string
function M.texts(list)
  local shown = {}
  for i, value in ipairs(list) do
    shown[i] = value == "" and '""' or value
  end
  return table.concat(shown, ", ")
end

--- Raise, at the author's line, where a list would lose entries.
---@param who string the function, for the message
---@param what string "the list", "of"
---@param list table
---@param named boolean? as in problem
function M.check(who, what, list, named)
  local problem = M.problem(list, named)
  if problem then
    blame.fail("%s: %s %s", who, what, problem)
  end
end

return M
