--- What was typed and is no answer to a trial: the same question is asked again at once, and what is taken is
--- told. A script gives trial:answer what run:ask gave, and only the trial knows what it takes. What the
--- script reckoned itself is its own: there the error is at its line. So it is where the question says itself
--- that it is about something else: an answer to that would set the next intensity.
local answers_given = require "moonpulse.experiment.answer"
local blame = require "moonpulse.text.author_line"
local waitings = require "moonpulse.experiment.waiting"

local M = {}

local most_tries = 100 -- a program that answers by itself may say the same for ever

local AskedAgain = {}
AskedAgain.__index = AskedAgain

--- Nobody was asked yet.
---@param stage moonpulse.Stage
---@param ask fun(question: string): string run:ask
---@return table asked_again
function M.new(stage, ask)
  return setmetatable({ stage = stage, ask = ask, last = {} }, AskedAgain)
end

--- The part of the script that runs now asked that, and was told this.
---@param question string
---@param answer string
---@param source string? who gave it
function AskedAgain:told(question, answer, source)
  self.last[self.stage.heard:part() or 0] = { question = question, answer = answer, source = source }
end

--- May the question be the trial's own? "MEP in uV? [number 0 to 50000]" may, "Pain? [number 0 to 10]" not:
--- what it takes must be all that the trial does, and one of its choices a yes or no of a trial that takes
--- those.
local function may_be_its_own(question, read, least, most)
  local inside = question:match "%[([^%[%]]*)%]%s*$" or ""
  local from, to = inside:match "^number%s+(%S+)%s+to%s+(%S+)$"
  if from then
    local low, high = answers_given.decimal(from), answers_given.decimal(to)
    return least ~= nil and low ~= nil and high ~= nil and low <= least and high >= most
  elseif not inside:find("/", 1, true) then
    return inside ~= "number" or least ~= nil
  end
  for choice in inside:gmatch "[^/]+" do
    if not least and read(choice) ~= nil then
      return true
    end
  end
  return false
end

--- The very text that was typed: a number that is as large may be anything, an amplifier's, too.
local function is_typed(value, last)
  return type(value) == "string" and value == last.answer
end

--- Where it is only the number of what was typed, what the script should give.
local function hint(value, last)
  return type(value) == "number" and last and value == tonumber(last.answer)
    and " (if it was typed: give the trial the text that run:ask gave, and the question is asked again)" or ""
end

--- What a trial makes of a value; where it makes nothing of it and somebody gave it, of what is given next.
---@param value any
---@param read fun(value: any): any, string?, string?, number?, number? what it is; nil, why it is none, what
---   is taken, and the least and the largest of it where that is a number
---@return any
function AskedAgain:take(value, read)
  local part, tries = self.stage.heard:part() or 0, 0
  while true do
    local result, why, taken, least, most = read(value)
    local last = self.last[part]
    self.last[part] = nil -- each answer is for one trial
    if result ~= nil then
      return result
    elseif not last or not is_typed(value, last) or not may_be_its_own(last.question, read, least, most)
      or tries >= most_tries or not waitings.can_wait() then
      blame.fail("%s%s", why, hint(value, last))
    end
    tries = tries + 1
    if not self.stage.past:goes_on() then
      self.stage.keyboard:refuse(last.question, last.answer, taken, last.source)
    end
    value = self.ask(last.question)
  end
end

return M
