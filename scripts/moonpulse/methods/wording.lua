--- Dates and times as a paper writes them.
local numbers = require "moonpulse.text.numbers"

local M = {}

local months = { "January", "February", "March", "April", "May", "June", "July", "August", "September",
  "October", "November", "December" }

--- A day, such as "27 November 2026", of what begins with an ISO 8601 date; what is none stays as it is.
---@param text string
---@return string
function M.day(text)
  local year, month, day = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)%f[%D]")
  local name = months[tonumber(month)]
  return name and ("%d %s %s"):format(tonumber(day), name, year) or text
end

--- A second and more to a hundredth of a second, less to a hundredth of a millisecond: what was measured is
--- no more exact, and what is planned needs no more.
---@param seconds number
---@return number
function M.rounded(seconds)
  local parts = seconds >= 1 and 100 or 1e5
  return math.floor(seconds * parts + 0.5) / parts
end

--- The same in words: "6.86 s", "2 ms".
---@param seconds number
---@return string
function M.seconds(seconds)
  return numbers.seconds(M.rounded(seconds))
end

--- The times from pulse to pulse of a kind of stimulus: one, or a range where they differ by more than how
--- exactly pulses are given.
---@param kind moonpulse.StimulusKind
---@return string
function M.intervals(kind)
  if kind.longest - kind.shortest < kind.shortest / 50 then
    return M.seconds(kind.shortest)
  end
  return numbers.range(kind.shortest, kind.longest, M.seconds)
end

--- The same with minutes where they help: "389.57 s (6 min 29.6 s)".
---@param seconds number
---@return string
function M.duration(seconds)
  return seconds > 0 and seconds < 1 and M.seconds(seconds) or numbers.duration(M.rounded(seconds))
end

--- A planned time to a millisecond, in the same way.
---@param seconds number
---@return string
function M.planned(seconds)
  return numbers.duration(math.floor(seconds * 1000 + 0.5) / 1000)
end

return M
