--- An option that takes one value and is given twice with two: which was meant nobody can tell, and the last
--- one would win without a word. The same value twice is no question.
local M = {}

--- What argparse makes of a text: the value, or nil and why not.
local function convert(converter, text)
  if type(converter) == "function" then
    return converter(text)
  elseif type(converter) == "table" then
    return converter[text]
  end
  return text
end

local function watch(option)
  local converter, before, before_text = option._convert, nil, nil
  option._convert = function(text)
    local value, message = convert(converter, text)
    if value == nil then
      return nil, message or ("malformed argument '%s'"):format(text)
    elseif before_text ~= nil and before_text ~= text and (type(value) == "table" or before ~= value) then
      return nil, M.words(option._name, before_text, text)
    end
    before, before_text = value, text
    return value
  end
end

--- The sentence that refuses.
---@param name string the option, as it is written
---@param first string
---@param second string
---@return string
function M.words(name, first, second)
  return ("%s is given twice, with %s and with %s: leave one of them out"):format(name, first, second)
end

--- Have a parser refuse it, for each of its options that takes one value.
---@param parser table of argparse; changed
function M.refuse(parser)
  for _, option in ipairs(parser._options) do
    if option._maxcount == 1 and option._maxargs == 1 then
      watch(option)
    end
  end
end

return M
