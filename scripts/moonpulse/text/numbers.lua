--- Numbers as people write them: with a unit, with thousands, with minutes.
local M = {}

--- A number as people write it: decimal. Lua itself also reads 0x30, which is 48.
---@param text any
---@return number? nil: it is none
function M.decimal(text)
  return not tostring(text):find("[xX]") and tonumber(text) or nil
end

--- A number, or a fraction that is written as text, as a number: "1/6", "0.9", 2.
---@param value number|string
---@return number
function M.fraction(value)
  local num, den = tostring(value):match("^(.-)/(.*)$")
  return num and tonumber(num) / tonumber(den) or tonumber(value)
end

--- Seconds as people write them: 0.02 -> "20 ms", 26 -> "26 s".
---@param seconds number
---@return string
function M.seconds(seconds)
  if seconds > 0 and seconds < 0.001 then
    return ("%.6g us"):format(seconds * 1e6)
  elseif seconds > 0 and seconds < 1 then
    return ("%.6g ms"):format(seconds * 1e3)
  end
  return ("%.9g s"):format(seconds)
end

--- Seconds with minutes where they help: 2223.9 -> "2223.9 s (37 min 03.9 s)"; minutes to the nearest
--- tenth of a second.
---@param seconds number
---@return string
function M.duration(seconds)
  local text = ("%.10g s"):format(math.floor(seconds * 1e6 + 0.5) / 1e6)
  if seconds < 60 then
    return text
  end
  local tenths = math.floor(seconds * 10 + 0.5) -- rounded first: 59.96 s are the next minute
  local minutes = tenths // 600
  local hours = minutes // 60
  local rest = ("%04.1f s"):format((tenths - minutes * 600) / 10)
  if hours > 0 then
    return ("%s (%d h %02d min %s)"):format(text, hours, minutes % 60, rest)
  end
  return ("%s (%d min %s)"):format(text, minutes, rest)
end

--- "4 s to 6 s"; one number where both ends print alike.
---@param from number
---@param to number
---@param tell (fun(value: number): string)? M.seconds
---@return string
function M.range(from, to, tell)
  local first, last = (tell or M.seconds)(from), (tell or M.seconds)(to)
  return first == last and first or ("%s to %s"):format(first, last)
end

--- 3000 -> "3,000".
---@param n integer
---@return string
function M.count(n)
  local text = ("%d"):format(n)
  local with_commas = text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return with_commas
end

--- "1 train", "20 trains".
---@param n integer
---@param thing string in the singular
function M.counted(n, thing)
  return ("%s %s%s"):format(M.count(n), thing, n == 1 and "" or "s")
end

return M
