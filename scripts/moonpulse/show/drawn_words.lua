--- How what is drawn from the seed is drawn, in words.
local numbers = require "moonpulse.text.numbers"

local M = {}

local most_choices = 6 -- that are told one by one

--- The law of a rest; "" where every length is as likely as any other.
---@param law string|false|nil of its view
---@param more number? seconds from another beginning, by which each length is longer
---@return string "normal, mean 6 s, sd 500 ms"
function M.law(law, more)
  local mean, sd = (law or ""):match("^normal (%S+) (%S+)$")
  if mean then
    return ("normal, mean %s, sd %s"):format(numbers.seconds(numbers.fraction(mean) + (more or 0)),
      numbers.seconds(numbers.fraction(sd)))
  end
  local parts = {}
  for seconds, weight in ((law or ""):match("^weighted (.*)$") or ""):gmatch("(%S+) (%d+)") do
    parts[#parts + 1] = ("%s weight %s"):format(numbers.seconds(numbers.fraction(seconds) + (more or 0)),
      weight)
  end
  return #parts > most_choices and ("one of %d lengths by their weights"):format(#parts)
    or table.concat(parts, ", ")
end

--- ", drawn from the seed (normal, mean 6 s, sd 1 s)"; "" of a rest that has one length.
---@param rest { min: number, max: number, law: string|false|nil }
---@return string
function M.of(rest)
  local law = M.law(rest.law)
  return rest.min < rest.max and ", drawn from the seed" .. (law ~= "" and (" (%s)"):format(law) or "") or ""
end

return M
