--- What a script gives to trial:answer: yes or no, or the size of an MEP.
local blame = require "moonpulse.text.author_line"
local value_words = require "moonpulse.text.value_words"

local M = {}

local yes_no = { y = true, yes = true, n = false, no = false }
local least_uv, most_uv = 1, 50000 -- less has no amplifier's noise, and more no muscle

--- Was there a response? Raises at the author's line for what says neither.
---@param value any true, false, or a text like "y"
---@return boolean
function M.yes_no(value)
  local answer = value
  if type(value) == "string" then
    answer = yes_no[value:lower()]
  end
  if type(answer) ~= "boolean" then
    blame.fail("trial:answer: true, false, \"y\" or \"n\" is needed, not %s", value_words.shown(value))
  end
  return answer
end

--- The text of a decimal number as a number; nil: it is none.
---@param text string
---@return number?
function M.decimal(text)
  local number = text:find("^%s*[+-]?[%d.]+[%d.eE+-]*%s*$") and tonumber(text)
  return number and math.abs(number) < math.huge and number or nil
end

--- An MEP's amplitude in microvolts, peak to peak, 1 to 50000. Raises at the author's line for what is none.
---@param value any number, or its text
---@return number
function M.microvolts(value)
  local number = type(value) == "string" and M.decimal(value) or math.type(value) and value
  if not number or not (number >= least_uv and number <= most_uv) then
    blame.fail("trial:answer: the MEP's amplitude is needed, %g to %g uV peak to peak, not %s%s", least_uv,
      most_uv, value_words.shown(number or value), number and number >= 0 and number < least_uv
      and " (mV times 1000; without an MEP the amplitude of the noise)" or "")
  end
  return number
end

return M
