--- What was typed and is no answer to a trial: the same question is asked again at once, and what is taken is
--- told. A script gives trial:answer what run:ask gave, and only the trial knows what it takes. What the
--- script reckoned itself is its own: there the error is at its line.
local blame = require "moonpulse.text.author_line"
local waitings = require "moonpulse.experiment.waiting"

local M = {}

local most = 100 -- a program that answers by itself may say the same for ever

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

--- Is it what was typed, or the number of it?
local function is_typed(value, answer)
  return value == answer or type(value) ~= "string" and value == tonumber(answer)
end

--- What a trial makes of a value; where it makes nothing of it and somebody gave it, of what is given next.
---@param value any
---@param read fun(value: any): any, string?, string? what it is; nil, why it is none, and what is taken
---@return any
function AskedAgain:take(value, read)
  local part, tries = self.stage.heard:part() or 0, 0
  while true do
    local result, why, taken = read(value)
    local last = self.last[part]
    self.last[part] = nil -- each answer is for one trial
    if result ~= nil then
      return result
    elseif not last or not is_typed(value, last.answer) or tries >= most or not waitings.can_wait() then
      blame.fail("%s", why)
    end
    tries = tries + 1
    if not self.stage.past:goes_on() then
      self.stage.keyboard:refuse(last.question, last.answer, taken, last.source)
    end
    value = self.ask(last.question)
  end
end

return M
