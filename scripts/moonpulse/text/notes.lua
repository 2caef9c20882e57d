--- What a plan's author should look at again, though it is allowed: each once, to who listens.
local blame = require "moonpulse.text.author_line"
local exact = require("moonpulse.core").exact
local numbers = require "moonpulse.text.numbers"

local M = {}

local LONGEST_ISI, LONGEST_REST = 0.5, 30 * 60 -- seconds; what is longer is rare on purpose
local LEAST_PERCENT = 3 -- no threshold study and no treatment is below it; 1.1 for 110 is
local listener, said

--- From now on notes go to say. The library itself prints nothing.
---@param say fun(text: string)
function M.listen(say)
  listener, said = say, {}
end

local function note(who, text)
  local origin = blame.origin()
  local place = (origin ~= "" and origin .. ": " or "") .. who .. ": "
  -- a line that makes many such plans is named once
  if listener and not said[place] then
    said[place] = true
    listener(place .. text)
  end
end

--- What somebody should know of a function's call, in a sentence without its full stop.
---@param who string the function
---@param text string
function M.say(who, text)
  note(who, text)
end

local function seconds(value)
  local ok, num, den = pcall(exact, value)
  return ok and num / den or tonumber(value) or 0
end

--- A time that was checked: is it so long that milliseconds may have been taken for seconds?
local function ask(who, key, value, limit, usual)
  local found = seconds(value)
  if found > limit then
    note(who, ("%s = %s is %s, %s: seconds are meant? For milliseconds write mp.ms(N)"):format(key,
      tostring(value), numbers.duration(found), usual))
  end
end

--- A percentage: is it so small that a fraction was written for it?
---@param who string "rmt", "amt" or "mso"
---@param value number
---@param most number percent that can be meant
function M.percent(who, value, most)
  -- 1 and 2 %MSO are a device's weakest: a staircase may reach it, and it stands in for a nerve's intensity
  local is_setting = who == "mso" and value % 1 == 0
  if value > 0 and value < LEAST_PERCENT and not is_setting then
    local meant = value * 100 <= most and (": %g?"):format(value * 100) or "?"
    note(who, ("%g is %g %%%s, below %d %%: percent are meant%s"):format(value, value, who:upper(),
      LEAST_PERCENT, meant))
  end
end

--- The interval of a pair.
---@param value number|string seconds
function M.isi(value)
  ask("pair", "isi", value, LONGEST_ISI, "over 0.5 s")
end

--- A silence, or an interval from onset to onset.
---@param who string the function
---@param key string
---@param value number|string seconds
function M.rest(who, key, value)
  ask(who, key, value, LONGEST_REST, "over 30 min")
end

return M
