--- What a script gives to trial:answer: yes or no, or the size of an MEP.
local blame = require "moonpulse.text.author_line"
local value_words = require "moonpulse.text.value_words"

local M = {}

local yes_no = { y = true, yes = true, n = false, no = false }
local least_uv, most_uv = 1, 50000 -- less has no amplifier's noise, and more no muscle

--- Was there a response?
---@param value any true, false, or a text like "y"
---@return boolean? yes nil: it says neither
---@return string? why
---@return string? taken what does
function M.yes_no(value)
  local answer = value
  if type(value) == "string" then
    answer = yes_no[value:lower()]
  end
  if type(answer) ~= "boolean" then
    return nil, ("trial:answer: true, false, \"y\" or \"n\" is needed, not %s"):format(
      value_words.shown(value)), "y or n"
  end
  return answer
end

--- What a trial makes of a value where nobody can be asked again. Raises at the author's line.
---@param value any
---@param read fun(value: any): any, string? yes_no or microvolts
---@return any
function M.take(value, read)
  local result, why = read(value)
  if result == nil then
    blame.fail("%s", why)
  end
  return result
end

--- The text of a decimal number as a number; nil: it is none.
---@param text string
---@return number?
function M.decimal(text)
  local number = text:find("^%s*[+-]?[%d.]+[%d.eE+-]*%s*$") and tonumber(text)
  return number and math.abs(number) < math.huge and number or nil
end

--- An MEP's amplitude in microvolts, peak to peak, 1 to 50000.
---@param value any number, or its text
---@return number? uv nil: it is none
---@return string? why
---@return string? taken what is one
---@return number? least
---@return number? most
function M.microvolts(value)
  local number = type(value) == "string" and M.decimal(value) or math.type(value) and value
  if not number or not (number >= least_uv and number <= most_uv) then
    return nil, ("trial:answer: the MEP's amplitude is needed, %g to %g uV peak to peak, not %s%s"):format(
      least_uv, most_uv, value_words.shown(number or value), number and number >= 0 and number < least_uv
      and " (mV times 1000; without an MEP the amplitude of the noise)" or ""),
      ("a number from %d to %d, uV from peak to peak (without an MEP that of the noise)"):format(least_uv,
        most_uv), least_uv, most_uv
  end
  return number
end

return M
